"""Walks a file's outermost elements by their headers, to see whether it ends in the middle of one that holds media."""

import io
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from sr4k.media.reading.truncation import SEGMENT, element_size

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

_PACKETS = ((188, 0), (192, 4), (204, 0))
"""Bytes of a packet of MPEG-TS, with those around it, and where in them its sync byte is."""

_SYNC, _SYNCS = 0x47, 4
_TAIL = 1 << 17
"""Bytes at the end that contain the beginning of Ogg's last page, or of the last packets of a program stream."""

_PACK = bytes.fromhex("000001BA")
_ESSENCE = bytes.fromhex("060E2B34010201")
"""Beginning of MXF's keys of pictures and sound."""

_Ends = Iterator[tuple[int, bool]]
"""Where each element ends, in bytes from the beginning of the file, and whether it holds media."""


def cut_element(path: Path, container: str) -> Literal["media", "other"] | None:
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
    walk = _WALKS.get(container)
    if walk is None or not path.is_file():
        return None
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        for end, is_media in islice(walk(file, size), _MOST):
            if end > size:
                return "media" if is_media else "other"
    return None


def ends_in_packet(head: bytes, size: int) -> bool:
    """Return whether MPEG-TS that begins with ``head`` and has ``size`` bytes ends in the middle of a packet."""
    for length, sync in _PACKETS:
        if len(head) >= _SYNCS * length and all(head[n * length + sync] == _SYNC for n in range(_SYNCS)):
            return size % length > 0
    return False


def _at(file: io.FileIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)


def _matroska(file: io.FileIO, size: int) -> _Ends:
    """Yield the elements of all Segments; those of unknown size are walked through."""
    at = 0
    while at < size:
        head = _at(file, at, 12)
        name = head[: 9 - head[0].bit_length()] if head else head
        if name not in _MATROSKA:
            return
        length, begin = element_size(head, len(name))
        is_open = name == SEGMENT or length is None
        yield at + begin + (0 if is_open or length is None else length), name == _CLUSTER or name in _IN_CLUSTER
        at += begin + (0 if is_open or length is None else length)


def _boxes(file: io.FileIO, size: int) -> _Ends:
    """Yield the boxes of MP4 and MOV."""
    at = 0
    while at < size:
        head = _at(file, at, 16)
        length, name = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8 or name not in _BOXES:  # 0: up to the end
            return
        at += length
        yield at, name == b"mdat"


def _riff(file: io.FileIO, size: int) -> _Ends:
    """Yield the RIFF chunks of AVI, which has a further one for each gigabyte."""
    at = 0
    while at < size:
        head = _at(file, at, 8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or not length:
            return
        at += 8 + length
        yield at, True


def _packets(file: io.FileIO, size: int) -> _Ends:
    """Yield the last packet of MPEG-TS."""
    if ends_in_packet(_at(file, 0, _SYNCS * max(length for length, _ in _PACKETS)), size):
        yield size + 1, True


def _pages(file: io.FileIO, size: int) -> _Ends:
    """Yield the last page of Ogg."""
    begin = max(0, size - _TAIL)
    tail = _at(file, begin, _TAIL)
    at = tail.rfind(b"OggS")
    if at >= 0:
        segments = tail[at + 27 : at + 27 + tail[at + 26]] if len(tail) > at + 26 else b""
        is_whole = len(tail) > at + 26 and len(segments) == tail[at + 26]
        yield (begin + at + 27 + len(segments) + sum(segments) if is_whole else size + 1), True


def _of_program(file: io.FileIO, size: int) -> _Ends:
    """Yield the last packs of a program stream (MPEG-1 and MPEG-2), and what is in them."""
    begin = max(0, size - _TAIL)
    tail = _at(file, begin, _TAIL)
    at = tail.find(_PACK)
    while 0 <= at < len(tail) and tail[at : at + 3] == _PACK[:3]:
        head = tail[at : at + 14]
        if head[3:4] == b"\xb9":  # the end mark
            return
        if len(head) < 14:
            yield size + 1, True
            return
        length = int.from_bytes(head[4:6], "big") + 6
        if head[:4] == _PACK:
            length = 14 + (head[13] & 7) if head[4] & 0xC0 == 0x40 else 12
        at += length
        yield begin + at, True


def _blocks(file: io.FileIO, size: int) -> _Ends:
    """Yield the blocks of GIF up to its end mark, the pictures among them as media."""
    head = _at(file, 0, 13)
    at = 13 + _colours(head[10] if len(head) == 13 else 0)
    while at < size:
        head = _at(file, at, 10)
        if head[:1] not in (b"!", b","):
            return
        is_picture = head[:1] == b","
        at += 11 + _colours(head[9]) if is_picture and len(head) == 10 else 2
        while at < size and (length := _at(file, at, 1)[0]):
            at += 1 + length
        at += 1
        yield at, is_picture
    yield size + 1, True  # no end mark


def _colours(flags: int) -> int:
    """Return the bytes of a table of colours in GIF."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _triplets(file: io.FileIO, size: int) -> _Ends:
    """Yield the KLV triplets of MXF."""
    at = 0
    while at < size:
        head = _at(file, at, 25)
        if head[:4] != _ESSENCE[:4]:
            return
        if len(head) < 17:
            yield size + 1, head.startswith(_ESSENCE)
            return
        wide = head[16] & 0x7F if head[16] & 0x80 else 0
        length = int.from_bytes(head[17 : 17 + wide], "big") if wide else head[16]
        at += 17 + wide + length
        yield at, head.startswith(_ESSENCE)


_WALKS: dict[str, Callable[[io.FileIO, int], _Ends]] = {
    "matroska,webm": _matroska,
    "mov,mp4,m4a,3gp,3g2,mj2": _boxes,
    "avi": _riff,
    "mpegts": _packets,
    "mpeg": _of_program,
    "ogg": _pages,
    "gif": _blocks,
    "mxf": _triplets,
}
"""By libav's name of the demuxer."""
