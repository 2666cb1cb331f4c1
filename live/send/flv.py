"""An FLV stream as its tags.

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
    """One tag.

    Attributes:
        time: of decoding, in ms.
        data: the whole tag, with the size of it that follows.
        key: whether a decoder can start with this picture.
        config: whether it configures the decoder: it has to come first, and again to whoever joins later.
    """

    kind: Kind
    time: int
    data: bytes
    key: bool
    config: bool


class FlvSplitter:
    """Cuts what is written to it into tags. ``header`` is there as soon as the first tag is."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.header = b""

    def feed(self, data: bytes) -> Iterator[Tag]:
        """The tags that are complete now."""
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
    """Whether it is a key frame, and whether it is a configuration, which is marked as one too."""
    if first & _EX_HEADER:
        frame, packet = first >> 4 & 7, first & 15
        return frame == _KEY and packet in _CODED_FRAMES, packet == 0
    if first & 15 == _AVC:
        return first >> 4 == _KEY and second == 1, second == 0
    return first >> 4 == _KEY, False
