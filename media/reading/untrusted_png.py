"""Removes decompression bombs from PNG: kilobytes may hold gigabytes of text or profiles, which libav decompresses."""

import zlib
from collections.abc import Iterator
from typing import Any

from av.packet import Packet
from av.video.stream import VideoStream

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PACKED = {b"iCCP", b"zTXt", b"iTXt"}

_MOST = 8 << 20
"""Maximum decompressed size of all such chunks of a picture, in bytes; printers' ICC profiles have up to 4 MB."""

_CODECS = {"png", "apng"}


def plain_head(stream: VideoStream) -> None:
    """Remove bombs from the header of an animated PNG; call it before its decoder is opened."""
    context = stream.codec_context
    if context.codec.canonical_name in _CODECS and context.extradata:
        head = bytes(context.extradata)
        if (plain := without_bombs(head)) is not head:
            context.extradata = plain


def plain_packet(packet: "Packet[Any]", stream: VideoStream) -> "Packet[Any]":
    """Return the packet, or a copy for the decoder without bombs if it is a PNG that has some."""
    if stream.codec_context.codec.canonical_name not in _CODECS or not packet.size:
        return packet
    data = bytes(packet)
    plain = without_bombs(data)
    if plain is data:
        return packet
    made: Packet[Any] = Packet(len(plain))  # libav's own memory: a decoder thread would need the GIL to free Python's
    made.update(plain)
    made.stream, made.pts, made.dts, made.duration = stream, packet.pts, packet.dts, packet.duration
    made.is_keyframe = packet.is_keyframe
    if packet.time_base:
        made.time_base = packet.time_base
    return made


def without_bombs(data: bytes) -> bytes:
    """Return a PNG file, or a sequence of its chunks, without the compressed chunks that exceed the limit.

    If there are none, the same object is returned.
    """
    start, left = len(_SIGNATURE) if data.startswith(_SIGNATURE) else 0, _MOST
    kept = [data[:start]]
    for first, end, kind in _chunks(data, start):
        if kind in _PACKED and left >= 0:
            left -= _unpacked(kind, data[first + 8 : end - 4], left + 1)
        if kind not in _PACKED or left >= 0:
            kept.append(data[first:end])
    return data if left >= 0 else b"".join(kept)


def _chunks(data: bytes, start: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield begin, end and type of each chunk; trailing garbage counts as one."""
    while start < len(data):
        end = min(len(data), start + 12 + int.from_bytes(data[start : start + 4], "big"))
        yield start, end, data[start + 4 : start + 8]
        start = end


def _unpacked(kind: bytes, content: bytes, most: int) -> int:
    """Return the decompressed size of a chunk in bytes, at most ``most``."""
    _, _, rest = content.partition(b"\0")  # the keyword
    if kind == b"iTXt":
        is_packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]  # after language tag and translated keyword
        if not is_packed:
            return 0
    else:
        rest = rest[1:]
    try:
        return len(zlib.decompressobj().decompress(rest, most))
    except zlib.error:  # libav fails there as well
        return 0
