"""Walks outermost elements by their headers, to see whether a file, or a pipe, ends in the middle of one of media."""

import os
import sys
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal

from sr4k.media.reading.truncation import SEGMENT, element_size, is_regular, promised_size
from sr4k.media.remote_path import RemotePath

_MOST = 200_000
"""Maximum number of elements: beyond that, a walk would take seconds."""

_CLUSTER = bytes.fromhex("1F43B675")
_KNOWN = (
    "1A45DFA3 18538067 1F43B675 114D9B74 1549A966 1654AE6B 1C53BB6B 1254C367 1043A770 1941A469 EC BF E7 A3 A0 AB A7"
)
_MATROSKA = {*map(bytes.fromhex, _KNOWN.split())}
"""Names of the elements of a file and of a Segment, and of those in a Cluster of unknown size."""

_IN_CLUSTER = {b"\xa3", b"\xa0"}
"""Those of them that hold media, beside whole Clusters."""
_BOXES = {*b"ftyp styp moov moof mdat mfra free skip wide uuid sidx ssix prft meta pnot emsg pdin".split()}
"""Names of the outermost boxes of MP4 and MOV."""

_OF_MEDIA = {b"mdat", b"moof"}
"""Those of them that hold media, or announce it."""

_PACKETS = ((188, 0), (192, 4), (204, 0))
"""Bytes of a packet of MPEG-TS, with those around it, and where in them its sync byte is."""

_SYNC, _SYNCS = 0x47, 4
_HEAD = 1024
"""Bytes at the beginning that contain as many packets."""

_TAIL = 1 << 17
"""Bytes at the end that contain the beginning of Ogg's last page, or of the last packets of a program stream."""

_AHEAD = 1 << 20
"""Bytes of a remote file that are read at a time: one request for several elements."""

_PACK = bytes.fromhex("000001BA")
_ESSENCE = bytes.fromhex("060E2B34010201")
"""Beginning of MXF's keys of pictures and sound."""

_PNG, _END_OF_PNG = b"\x89PNG\r\n\x1a\n", b"IEND"
_OF_PICTURES = {b"IDAT", b"fdAT", _END_OF_PNG}
"""Chunks of PNG that hold pictures, or tell that there are no more."""

_BEYOND = sys.maxsize
"""End of an element that doesn't end in the file."""

_Cut = Literal["media", "other"] | None

_Walk = Generator[tuple[int, int, bool], bytes, None]
"""Walks through elements. It yields where one ends, in bytes from the beginning of the file, how many bytes it needs
from there, and whether the element holds media; it is sent those bytes, fewer only at the end of the file."""

_End = Callable[[bytes, bytes, int], bool]
"""Tells whether media are cut off from a file's first bytes, its last `_TAIL` and its size."""


def cut_element(path: Path, container: str) -> _Cut:
    """Return what a file ends in the middle of: an element that holds media, or another one.

    Args:
        path: the file.
        container: libav's name of its demuxer.

    Returns:
        ``None`` if it ends with an element, even if others should follow; for a container without sizes; and for what
        is no file.

    Raises:
        OSError: the file can't be read.
    """
    if container not in _WALKS | _ENDS or not is_regular(path):
        return None
    is_remote = isinstance(path, RemotePath)
    with path.open("rb", buffering=_AHEAD if is_remote else 0) as file:
        size = file.seek(0, os.SEEK_END)
        if is_remote and promised_size(_at(file, 0, _HEAD), container) == size:
            return None  # what is in it can't end anywhere else: a walk would take a request for each cluster
        if container in _ENDS:
            head, tail = _at(file, 0, _HEAD), _at(file, max(0, size - _TAIL), _TAIL)
            return "media" if _ENDS[container](head, tail, size) else None
        walk = _WALKS[container]()
        end, length, is_media = next(walk)
        with suppress(StopIteration):
            for _ in range(_MOST):
                if end > size:
                    return "media" if is_media else "other"
                end, length, is_media = walk.send(_at(file, end, length))
    return None


class Watched:
    """Bytes that are read forwards, as of a pipe, walked through as they come; only the present header is kept."""

    def __init__(self) -> None:
        self._walks = {name: _Progress(walk()) for name, walk in _WALKS.items()}  # all but one end at once
        self._head, self._count = b"", 0
        self._tail: deque[bytes] = deque()
        self._in_tail = 0
        self._has_ended = False

    def came(self, data: bytes) -> None:
        """Note the next bytes; none: the end."""
        self._has_ended = not data
        for progress in self._walks.values():
            progress.came(data, self._count)
        self._head += data[: _HEAD - len(self._head)]
        self._count += len(data)
        self._tail.append(data)
        self._in_tail += len(data)
        while self._in_tail - len(self._tail[0]) >= _TAIL:
            self._in_tail -= len(self._tail.popleft())

    @property
    def tail(self) -> bytes:
        """The last bytes that came, at most `_TAIL`."""
        return b"".join(self._tail)[-_TAIL:]

    def cut_element(self, container: str) -> _Cut:
        """Return what `cut_element` does for a file of these bytes; ``None`` if they were not read to their end."""
        if not self._has_ended:
            return None
        if container in _ENDS:
            return "media" if _ENDS[container](self._head, self.tail, self._count) else None
        return self._walks[container].cut(self._count) if container in self._walks else None


class _Progress:
    """A walk through bytes that come piece by piece."""

    def __init__(self, walk: _Walk) -> None:
        self._walk: _Walk | None = walk
        self._end, self._length, self._is_media = next(walk)
        self._seen = b""  # what has come from the end on, at most the length

    def came(self, data: bytes, at: int) -> None:
        """Note bytes that begin at a position."""
        while self._walk is not None:
            begin = self._end + len(self._seen) - at
            if begin < len(data):
                self._seen += data[begin : begin + self._length - len(self._seen)]
            if len(self._seen) < self._length:
                return
            self._go_on(self._walk)

    def cut(self, size: int) -> _Cut:
        """Return what bytes of this size end in the middle of."""
        while self._walk is not None:
            if self._end > size:
                return "media" if self._is_media else "other"
            self._go_on(self._walk)
        return None

    def _go_on(self, walk: _Walk) -> None:
        before = self._end
        try:
            self._end, self._length, self._is_media = walk.send(self._seen[: self._length])
        except StopIteration:
            self._walk = None
        self._seen = self._seen[self._end - before :]


def ends_in_packet(head: bytes, size: int) -> bool:
    """Return whether MPEG-TS that begins with ``head`` and has ``size`` bytes ends in the middle of a packet."""
    for length, sync in _PACKETS:
        if len(head) >= _SYNCS * length and all(head[n * length + sync] == _SYNC for n in range(_SYNCS)):
            return size % length > 0
    return False


def _at(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)


def _matroska() -> _Walk:
    """Walk through the elements of all Segments, and of those of unknown size."""
    end, is_media = 0, False
    while True:
        head = yield end, 12, is_media
        name = head[: 9 - head[0].bit_length()] if head else head
        if name not in _MATROSKA:
            return
        length, begin = element_size(head, len(name))
        is_open = name == SEGMENT or length is None
        end += begin + (0 if is_open or length is None else length)
        is_media = name == _CLUSTER or name in _IN_CLUSTER


def _boxes() -> _Walk:
    """Walk through the boxes of MP4 and MOV."""
    end, is_media = 0, False
    while True:
        head = yield end, 16, is_media
        length, name = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8 or name not in _BOXES:  # 0: up to the end
            return
        end += length
        is_media = name in _OF_MEDIA


def _riff() -> _Walk:
    """Walk through the RIFF chunks of AVI, which has a further one for each gigabyte."""
    end = 0
    while True:
        head = yield end, 8, True
        length = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or not length:
            return
        end += 8 + length


def _blocks() -> _Walk:
    """Walk through the blocks of GIF up to its end mark, the pictures among them as media."""
    head = yield 0, 13, True
    if head[:3] != b"GIF":
        return
    end, is_picture = 13 + _colours(head[10] if len(head) == 13 else 0), True
    while head := (yield end, 10, is_picture):
        if head[:1] not in (b"!", b","):
            return
        is_picture = head[:1] == b","
        end += 11 + _colours(head[9]) if is_picture and len(head) == 10 else 2
        while length := (yield end, 1, is_picture):
            end += 1 + length[0]
            if not length[0]:
                break
        else:
            yield _BEYOND, 1, is_picture
    yield _BEYOND, 1, True  # no end mark


def _colours(flags: int) -> int:
    """Return the bytes of a table of colours in GIF."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _chunks() -> _Walk:
    """Walk through the chunks of PNG, of which an animated one has those of all its pictures, up to its end mark."""
    if (yield 0, len(_PNG), True) != _PNG:
        return
    end, name = len(_PNG), b""
    while name != _END_OF_PNG:
        head = yield end, 8, name in _OF_PICTURES
        name = head[4:]
        end = end + 12 + int.from_bytes(head[:4], "big") if len(name) == 4 else _BEYOND
        if end == _BEYOND:
            yield end, 1, True  # no end mark
    yield end, 1, True


def _triplets() -> _Walk:
    """Walk through the KLV triplets of MXF."""
    end, is_media = 0, False
    while True:
        head = yield end, 25, is_media
        if head[:4] != _ESSENCE[:4]:
            return
        is_media = head.startswith(_ESSENCE)
        if len(head) < 17:
            yield _BEYOND, 1, is_media
        wide = head[16] & 0x7F if head[16] & 0x80 else 0
        length = int.from_bytes(head[17 : 17 + wide], "big") if wide else head[16]
        end += 17 + wide + length


def _in_packet(head: bytes, tail: bytes, size: int) -> bool:  # noqa: ARG001
    """Return whether MPEG-TS ends in the middle of a packet."""
    return ends_in_packet(head, size)


def _in_page(head: bytes, tail: bytes, size: int) -> bool:  # noqa: ARG001
    """Return whether Ogg ends in the middle of a page."""
    at = tail.rfind(b"OggS")
    if at < 0:
        return False
    segments = tail[at + 27 : at + 27 + tail[at + 26]] if len(tail) > at + 26 else b""
    is_whole = len(tail) > at + 26 and len(segments) == tail[at + 26]
    return not is_whole or at + 27 + len(segments) + sum(segments) > len(tail)


def _in_pack(head: bytes, tail: bytes, size: int) -> bool:  # noqa: ARG001
    """Return whether a program stream (MPEG-1 and MPEG-2) ends in the middle of a pack, or of what is in one."""
    at = tail.find(_PACK)
    while 0 <= at < len(tail) and tail[at : at + 3] == _PACK[:3]:
        begin = tail[at : at + 14]
        if begin[3:4] == b"\xb9":  # the end mark
            return False
        if len(begin) < 14:
            return True
        length = int.from_bytes(begin[4:6], "big") + 6
        if begin[:4] == _PACK:
            length = 14 + (begin[13] & 7) if begin[4] & 0xC0 == 0x40 else 12
        at += length
    return at > len(tail)


_WALKS: dict[str, Callable[[], _Walk]] = {
    "matroska,webm": _matroska,
    "mov,mp4,m4a,3gp,3g2,mj2": _boxes,
    "avi": _riff,
    "gif": _blocks,
    "apng": _chunks,
    "mxf": _triplets,
}
"""By libav's name of the demuxer."""

_ENDS: dict[str, _End] = {"mpegts": _in_packet, "mpeg": _in_pack, "ogg": _in_page}
"""Of those whose last bytes tell, by libav's name of the demuxer."""
