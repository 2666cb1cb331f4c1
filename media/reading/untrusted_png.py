"""PNG as strangers send it: a file of kilobytes may hold gigabytes of text or profiles, and libav unpacks them."""

import zlib
from collections.abc import Iterator
from typing import Any

from av.packet import Packet
from av.video.stream import VideoStream

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PACKED = {b"iCCP", b"zTXt", b"iTXt"}

_MOST = 8 << 20
"""Bytes that all of a picture's may unpack to: profiles of printers have up to about four million."""

_CODECS = {"png", "apng"}


def plain_head(stream: VideoStream) -> None:
    """Take what is absurd off the head of an animation, before its decoder is opened."""
    context = stream.codec_context
    if context.codec.canonical_name in _CODECS and context.extradata:
        head = bytes(context.extradata)
        if (plain := without_bombs(head)) is not head:
            context.extradata = plain


def plain_packet(packet: "Packet[Any]", stream: VideoStream) -> "Packet[Any]":
    """The packet, or where it is a PNG with something absurd packed in it, one without that for the decoder."""
    if stream.codec_context.codec.canonical_name not in _CODECS or not packet.size:
        return packet
    data = bytes(packet)
    plain = without_bombs(data)
    if plain is data:
        return packet
    made: Packet[Any] = Packet(len(plain))  # of libav's own memory: a decoder's thread frees Python's under its lock
    made.update(plain)
    made.stream, made.pts, made.dts, made.duration = stream, packet.pts, packet.dts, packet.duration
    made.is_keyframe = packet.is_keyframe
    if packet.time_base:
        made.time_base = packet.time_base
    return made


def without_bombs(data: bytes) -> bytes:
    """A PNG file, or a row of its chunks: as it is, or without packed texts and profiles from where it is too much."""
    start, left = len(_SIGNATURE) if data.startswith(_SIGNATURE) else 0, _MOST
    kept = [data[:start]]
    for first, end, kind in _chunks(data, start):
        if kind in _PACKED and left >= 0:
            left -= _unpacked(kind, data[first + 8 : end - 4], left + 1)
        if kind not in _PACKED or left >= 0:
            kept.append(data[first:end])
    return data if left >= 0 else b"".join(kept)


def _chunks(data: bytes, start: int) -> Iterator[tuple[int, int, bytes]]:
    """Where each begins and ends, and what it is; what is none comes as one at the end."""
    while start < len(data):
        end = min(len(data), start + 12 + int.from_bytes(data[start : start + 4], "big"))
        yield start, end, data[start + 4 : start + 8]
        start = end


def _unpacked(kind: bytes, content: bytes, most: int) -> int:
    """Bytes that a chunk unpacks to, counted no further than ``most``."""
    _, _, rest = content.partition(b"\0")  # its name
    if kind == b"iTXt":
        is_packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]  # after a language and a translated name
        if not is_packed:
            return 0
    else:
        rest = rest[1:]
    try:
        return len(zlib.decompressobj().decompress(rest, most))
    except zlib.error:  # libav gives up there as well
        return 0
