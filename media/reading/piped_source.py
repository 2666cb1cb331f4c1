"""Sources that come through a pipe: the decoder reads them once, and the muxer the copy that the decoder keeps.

The copy is a file in memory without a name. The decoder appends what it has read; the muxer frees what it has read, or
ends the copy if it needs nothing of it. Before each picture the decoder says how many packets it has read
(`sr4k.pipeline.FrameInfo.read`): as both demux the same bytes, the muxer finds that many without waiting.
"""

import errno
import fcntl
import mmap
import os
import select
import struct
from contextlib import suppress
from multiprocessing.connection import Connection

from sr4k.errors import InputError, StoppedError
from sr4k.media.options import Piped
from sr4k.media.reading.elements import Watched

STANDARD_INPUT = "standard input"
"""Name of standard input in messages."""

_HEAD = 1 << 16
"""Bytes of the beginning that are kept."""

_KNOWN = 64
"""Bytes by which a file's kind is known."""

_PIPE = 1 << 20
"""Bytes that a pipe may hold, which is as much as Linux grants any user, and bytes that are read at once."""

_STEP = 1 << 20
"""Bytes of the copy that are freed at once."""

_MOST = 2 << 30
"""Maximum size of the copy in bytes: it grows while no picture comes."""

_BLOCK = 512
"""Unit of ``st_blocks`` in bytes."""

_BEFORE_INDEX = {b"ftyp", b"styp", b"free", b"skip", b"wide", b"uuid", b"pnot"}
"""Boxes that may precede the index of an MP4 or MOV."""


def new_copy() -> Connection:
    """Return an empty file in memory for the copy of a source."""
    return Connection(os.memfd_create("sr4k-copy", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))


def end_copy(copy: Connection) -> None:
    """Free the copy; nothing is appended from now on."""
    os.ftruncate(copy.fileno(), 0)
    fcntl.fcntl(copy.fileno(), fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)


class PipeReader:
    """Reads a pipe for libav, which takes it for a file that it can't seek in.

    Attributes:
        name: name in messages.
        head: the first bytes, at most `_HEAD`.
        count: number of bytes that were read so far.
        watched: they tell whether the end is cut off.

    Args:
        piped: the pipe, and the file for the copy.
        name: name in messages.
    """

    def __init__(self, piped: Piped, name: str) -> None:
        self._source, self._copy = piped.source, piped.copy
        self.name, self.head, self.count, self.watched = name, b"", 0, Watched()
        self._ahead = b""  # read to look at, and not given to libav yet
        self._is_copied, self._has_stopped = True, False
        self._stopped = os.eventfd(0)
        self._ready = select.poll()
        self._ready.register(self._source.fileno(), select.POLLIN)
        self._ready.register(self._stopped, select.POLLIN)
        with suppress(OSError):  # no pipe, but a socket or a file
            fcntl.fcntl(self._source.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)

    def read(self, most: int) -> bytes:
        """Return at least one byte and up to ``most``, or nothing at the end.

        Raises:
            InputError: nothing came at all, it is a file that has to be sought in, or too much came without a picture.
            StoppedError: `stop` was called.
        """
        if not self.count and not self._ahead:
            self._look()
        data = self._ahead[:most] or self._next(most)
        self._ahead = self._ahead[most:]
        if self._is_copied:
            self._append(data)
        self.head += data[: _HEAD - len(self.head)]
        self.count += len(data)
        if not self._has_stopped:
            self.watched.came(data)
        return data

    def stop(self) -> None:
        """Let `read` end; may be called in another thread."""
        os.eventfd_write(self._stopped, 1)

    def close(self) -> None:
        """Release what waiting needs. The pipe is closed by whoever has opened it."""
        os.close(self._stopped)

    def _look(self) -> None:
        """Read the beginning, and refuse what can't be read forwards."""
        while len(self._ahead) < _KNOWN and (data := self._next(_HEAD)):
            self._ahead += data
        if not self._ahead:
            raise InputError(f"{self.name} is empty: nothing came before it ended.")
        if _has_index_last(self._ahead):
            raise InputError(
                f"{self.name} is an MP4 or MOV whose index comes last, so that it has to be sought in: name a file, "
                "or write it with -movflags +faststart, or as NUT or Matroska."
            )

    def _next(self, most: int) -> bytes:
        if any(descriptor == self._stopped for descriptor, _ in self._ready.poll()):
            if self._has_stopped:
                return b""  # libav reads once more, and PyAV can pass on one exception only
            self._has_stopped = True
            raise StoppedError("Stopped before the first frame: nothing was written.")
        return os.read(self._source.fileno(), min(most, _PIPE))  # an error if the job has closed it

    def _append(self, data: bytes) -> None:
        try:
            os.pwrite(self._copy.fileno(), data, self.count)
        except OSError as err:
            if err.errno != errno.EPERM:
                raise
            self._is_copied = False
        if os.fstat(self._copy.fileno()).st_blocks * _BLOCK > _MOST:
            raise InputError(
                f"{self.name}: more than {_MOST >> 30} GB came without a picture to go with it, which is more than is "
                "kept in memory: save it to a file first."
            )


class CopyReader:
    """Reads the copy of a source from its beginning for libav, which takes it for a file that it can't seek in.

    Attributes:
        watched: what was read tells whether the end is cut off.

    Args:
        copy: the file in memory.
        name: name in messages.
    """

    def __init__(self, copy: Connection, name: str) -> None:
        self._copy, self.name, self.watched = copy, name, Watched()
        self._at = self._freed = 0
        self._frees = False

    def read(self, most: int) -> bytes:
        """Return up to ``most`` bytes; nothing at the end of what there is."""
        data = os.pread(self._copy.fileno(), most, self._at)
        self._at += len(data)
        self.watched.came(data)
        if self._frees and self._at - self._freed >= _STEP:
            self._free()
        return data

    def free(self) -> None:
        """Free what has been read, from now on; nobody can read the copy from its beginning any more."""
        self._frees = True

    def _free(self) -> None:
        until = self._at // mmap.PAGESIZE * mmap.PAGESIZE
        with mmap.mmap(self._copy.fileno(), until - self._freed, offset=self._freed) as read:
            read.madvise(mmap.MADV_REMOVE)
        self._freed = until


def _has_index_last(head: bytes) -> bool:
    """Whether a file begins as an MP4 or MOV does whose pictures (``mdat``) come before the index (``moov``)."""
    at = 0
    while at + 8 <= len(head):
        size, kind = struct.unpack_from(">I4s", head, at)
        if kind == b"mdat":
            return True
        if kind not in _BEFORE_INDEX or size < 8:
            return False
        at += size
    return False
