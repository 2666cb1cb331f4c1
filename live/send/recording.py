"""A recording: a file that replaces no other, is deleted if it gets nothing, and is missed when somebody removes it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from sr4k.errors import OutputError
from sr4k.live.send.copied import Copied
from sr4k.media.paths import for_libav, free_name

_LOOK_EVERY = 1.0
"""Seconds between two looks whether the file still has its name."""

_FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
"""libav moves the first packets of these to 0 anyway, and makes them last longer."""

_FROM_ZERO = {"avoid_negative_ts": "make_zero"}
"""Move all times so that the first is 0: a header's duration counts from there."""

_OPTIONS: dict[str, dict[str, str]] = {
    ".mp4": _FRAGMENTED,
    ".mov": _FRAGMENTED,
    ".mkv": _FROM_ZERO | {"cluster_time_limit": "2000"},
    ".ts": _FROM_ZERO,
    ".flv": _FROM_ZERO | {"flvflags": "no_duration_filesize"},
}
"""Muxer options by suffix that keep an interrupted recording playable."""

_FORMATS = {".mkv": "matroska", ".ts": "mpegts"}
"""libav's names of formats that differ from the suffix."""


@contextmanager
def recording(path: Path) -> Iterator["Recording"]:
    """Open a recording under a free name; its folder is created if it is missing.

    Raises:
        FFmpegError, OSError: it can't be opened or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _OwnFile.create(path) as file:
        opened = None
        try:
            suffix = path.suffix.lower()
            options = {"flush_packets": "1"} | _OPTIONS[suffix]
            with av.open(for_libav(file.path), "w", format=_FORMATS.get(suffix, suffix[1:]), options=options) as muxer:
                opened = Recording(muxer, file)
                yield opened
        finally:
            if opened is None or not opened.has_data:
                file.remove()


class Recording(Copied):
    """A recording on a disk: a `sr4k.live.send.open_target.OpenTarget`.

    Attributes:
        has_data: whether pictures or sound are on the disk. Muxers collect some seconds before they write any.

    Args:
        container: libav's muxer of the file.
        file: what it writes to.
    """

    def __init__(self, container: OutputContainer, file: "_OwnFile") -> None:
        super().__init__(container)
        self._file = file
        self._head = 0  # bytes of the header
        self._looked = time.monotonic()
        self.has_data = False

    def begin(self, source: InputContainer) -> None:
        """Write the header."""
        super().begin(source)
        self._head = self._file.size

    def write(self, packet: "Packet[Any]", at: int) -> bool:  # noqa: ARG002 - packets are written as they come
        """Write a packet; return whether data is on the disk for the first time.

        Raises:
            OutputError: somebody has removed the file, so what is written reaches nobody.
        """
        if (now := time.monotonic()) - self._looked >= _LOOK_EVERY:
            self._looked = now
            if not self._file.has_its_name:
                raise OutputError(f"its file {self._file.path.name} was removed or moved away")
        self.mux(packet)
        return self._has_first_data()

    def arrived(self, written: int) -> int:
        """Return ``written``, once there is data on the disk."""
        return written if self.has_data else 0

    def close(self, *, ended: bool) -> None:  # noqa: ARG002 - no container distinguishes the two
        """Write what is left."""
        self.container.close()
        self._has_first_data()

    def _has_first_data(self) -> bool:
        if self.has_data or self._file.size <= self._head:
            return False
        self.has_data = True
        return True


class _OwnFile:
    """A file that this process has created. Kept open, its identity is used for no other file.

    Attributes:
        path: its name.
    """

    def __init__(self, path: Path, number: int) -> None:
        self.path, self._number = path, number

    @classmethod
    def create(cls, path: Path) -> Self:
        """Create a file under the first free name, so that none is replaced."""
        numbers: list[int] = []

        def is_taken(name: Path) -> bool:
            try:
                numbers.append(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            except FileExistsError:
                return True
            return False

        return cls(free_name(path, taken=is_taken), *numbers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._number)

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return os.fstat(self._number).st_size

    @property
    def has_its_name(self) -> bool:
        """Whether the file of its name is still this one. A folder that may not be searched changes nothing."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._number))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def remove(self) -> None:
        """Delete it, unless its name is another's by now."""
        if self.has_its_name:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
