"""Recognises what libav passes over in TIFF: it takes JPEG in it for a black picture, and reads only the first page."""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from av.packet import Packet
from av.video.stream import VideoStream

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
"""Byte orders of `struct`, by the beginning of the file."""

_COMPRESSION = 259
_JPEG = {6, 7}
"""Values of that tag: the JPEG of TIFF 6.0, and that of its supplement."""

_SUBFILE, _OLD_SUBFILE = 254, 255
_BESIDE, _OLD_BESIDE = 0b101, 2
"""Bits and value of those tags: a smaller version of another page, or a mask of its transparency."""

_MOST_PAGES = 10_000
"""Maximum number of pages that are looked at: a damaged file may chain them to a circle."""

Tags = dict[int, int]
"""Values of a page's tags that are single integers, by number; of others what is in their place."""


def holds_tiff_files(stream: VideoStream) -> bool:
    """Whether each packet of a stream is a TIFF file."""
    return stream.codec_context.codec.canonical_name == "tiff"


def unreadable_tiff(pages: Sequence[Tags]) -> str | None:
    """Return why a file of these pages can't be decoded, in words; ``None`` if it can, as far as this tells."""
    return "TIFF that is compressed as JPEG" if pages and pages[0].get(_COMPRESSION) in _JPEG else None


def has_further_pages(pages: Sequence[Tags]) -> bool:
    """Whether these pages are several pictures. Smaller versions of the first, and masks, don't count."""
    return any(not tags.get(_SUBFILE, 0) & _BESIDE and tags.get(_OLD_SUBFILE) != _OLD_BESIDE for tags in pages[1:])


def pages_of(file: "Packet[Any]") -> Iterator[Tags]:
    """Yield the tags of each page of a TIFF file; nothing for what is none."""
    data = memoryview(file)
    order = _ORDERS.get(bytes(data[:4]))
    if order is None or len(data) < 8:
        return
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    for _ in range(_MOST_PAGES):
        if not at or at + 2 > len(data):
            return
        (number,) = struct.unpack_from(f"{order}H", data, at)
        end = at + 2 + 12 * number
        yield dict(_tag(data, entry, order) for entry in range(at + 2, min(end, len(data) - 11), 12))
        if end + 4 > len(data):
            return
        (at,) = struct.unpack_from(f"{order}I", data, end)


def _tag(data: memoryview, at: int, order: str) -> tuple[int, int]:
    tag, kind = struct.unpack_from(f"{order}HH", data, at)
    (value,) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, at + 8)
    return tag, value
