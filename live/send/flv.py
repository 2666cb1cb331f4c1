"""Split an FLV stream into tags.

Adobe Flash Video File Format Specification 10.1, annex E, and Enhanced RTMP v1 for HEVC and AV1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["video", "audio", "script"]

HEADER_SIZE = 9 + 4
"""Bytes of the file's header and of the size of the tag before the first, which is 0."""

_TAG_HEADER = 11
_KINDS: dict[int, Kind] = {8: "audio", 9: "video", 18: "script"}

_AVC, _AAC = 7, 10
_KEY = 1
_EX_HEADER = 0x80
_CODED_FRAMES = (1, 3)  # with and without a composition time


@dataclass(frozen=True, slots=True)
class Tag:
    """One FLV tag.

    Attributes:
        time: decoding time stamp, in ms.
        data: the whole tag, including the trailing ``PreviousTagSize``.
        key: whether a decoder can start with this picture.
        config: whether it is a decoder configuration, which must come first on each connection.
    """

    kind: Kind
    time: int
    data: bytes
    key: bool
    config: bool


class FlvSplitter:
    """Incremental parser of an FLV byte stream. ``header``, the file header, is set before the first tag is yielded."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.header = b""

    def feed(self, data: bytes) -> Iterator[Tag]:
        """Append bytes and yield each tag that is now complete."""
        self._buffer += data
        if not self.header:
            if len(self._buffer) < HEADER_SIZE:
                return
            self.header = self._cut(HEADER_SIZE)
        while len(self._buffer) >= _TAG_HEADER:
            size = _TAG_HEADER + int.from_bytes(self._buffer[1:4], "big") + 4
            if len(self._buffer) < size:
                return
            yield _tag(self._cut(size))

    def _cut(self, size: int) -> bytes:
        part = bytes(self._buffer[:size])
        del self._buffer[:size]
        return part


def _tag(data: bytes) -> Tag:
    kind = _KINDS.get(data[0] & 0x1F, "script")
    time = int.from_bytes(data[4:7], "big") | data[7] << 24
    body = data[_TAG_HEADER : _TAG_HEADER + 2]
    key = config = False
    if kind == "video" and len(body) == 2:
        key, config = _of_video(*body)
    elif kind == "audio" and len(body) == 2:
        config = body[0] >> 4 == _AAC and body[1] == 0
    return Tag(kind, time, data, key, config)


def _of_video(first: int, second: int) -> tuple[bool, bool]:
    """Return (key frame, configuration) from the first two bytes; FLV marks configurations as key frames too."""
    if first & _EX_HEADER:
        frame, packet = first >> 4 & 7, first & 15
        return frame == _KEY and packet in _CODED_FRAMES, packet == 0
    if first & 15 == _AVC:
        return first >> 4 == _KEY and second == 1, second == 0
    return first >> 4 == _KEY, False
