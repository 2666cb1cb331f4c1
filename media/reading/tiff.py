"""Recognises TIFF that libav can't read: it takes what is compressed as JPEG for a black picture, without a word."""

import struct
from typing import Any

from av.packet import Packet
from av.video.stream import VideoStream

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
"""Byte orders of `struct`, by the beginning of the file."""

_COMPRESSION = 259
_JPEG = {6, 7}
"""Values of that tag: the JPEG of TIFF 6.0, and that of its supplement."""


def unreadable_tiff(packet: "Packet[Any]", stream: VideoStream) -> str | None:
    """Return why a packet can't be decoded, in words; ``None`` if it can, as far as this tells."""
    if stream.codec_context.codec.canonical_name != "tiff":
        return None
    return "TIFF that is compressed as JPEG" if _compression(bytes(packet)) in _JPEG else None


def _compression(data: bytes) -> int | None:
    """Return the value of the first directory's tag; ``None``: there is none."""
    order = _ORDERS.get(data[:4])
    if order is None or len(data) < 8:
        return None
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    if at + 2 > len(data):
        return None
    (number,) = struct.unpack_from(f"{order}H", data, at)
    for entry in range(at + 2, min(at + 2 + 12 * number, len(data) - 11), 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        if tag == _COMPRESSION:
            (value,) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, entry + 8)
            return int(value)
    return None
