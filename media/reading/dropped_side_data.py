"""What hangs on pictures, is meant for whoever shows them, and is not taken along: it is told."""

import struct
import sys
from collections.abc import Iterator

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.media.side_data import each, named_and_numbered

_LOST = {
    "A53_CC": "closed captions of the pictures (CEA-608, CEA-708)",
    "SPHERICAL": "that the pictures are spherical (360°)",
    "AFD": "which part of the pictures matters (AFD)",
    "PANSCAN": "which part of the pictures narrower screens show (pan and scan)",
    "S12M_TIMECODE": "timecodes of the pictures (SMPTE ST 12)",
    "GOP_TIMECODE": "timecodes of the pictures (GOP headers)",
    "AMBIENT_VIEWING_ENVIRONMENT": "the light of the room that the pictures were graded in",
    "FILM_GRAIN_PARAMS": "film grain, which players would add",
    "SEI_UNREGISTERED": "when each picture was taken (MISB ST 0604)",
}
"""By PyAV's names. Turning, brightness, colour profiles and 3D are dealt with elsewhere; other kinds, such as motion
vectors, say nothing that is seen."""

_LOST_BY_NUMBER = {28: "the enhancement layer (LCEVC)", 29: "the views beside the first (MV-HEVC)"}
"""By libav's numbers, for want of names in PyAV 18."""

_LOST |= {"LCEVC": _LOST_BY_NUMBER[28], "VIEW_ID": _LOST_BY_NUMBER[29]}

_EVERY = 8
"""Pictures of which one is looked at, beside the key frames."""

_CLOCKS = b"MISPmicrosectime"
"""The UUID of what SEI says of when a picture was taken (MISB ST 0604). Of others, encoders mostly tell how they were
set, which says nothing of the new one."""

_WHOLE_FRAME = (0, 8)
"""Active formats by which all of the picture matters."""

_CLOCK = 0xFFEFFF
"""Bits of a GOP's timecode: hours, minutes, seconds and pictures (ISO 13818-2, 6.3.8), without the marker there."""

_WITH_ALPHA = {"vp8", "vp9"}
"""Codecs whose transparency is a second video inside, which libav's own decoders pass over."""


class Unkept:
    """Of one stream, each kind once."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._told: set[str] = set()
        self._number = 0

    def of(self, picture: VideoFrame) -> Iterator[str]:
        """What this one is the first to have, in words. Not each is looked at: who says something says it of many."""
        self._number += 1
        if not (picture.key_frame or self._number % _EVERY == 1):
            return
        for words in self._found(picture):
            if words not in self._told:
                self._told.add(words)
                yield words

    def _found(self, picture: VideoFrame) -> Iterator[str]:
        codec = self._stream.codec_context.codec.canonical_name
        tags = {key.lower(): value for key, value in self._stream.metadata.items()}
        if codec in _WITH_ALPHA and tags.get("alpha_mode") == "1":
            yield f"transparency of {codec} (alpha)"
        named, numbers = named_and_numbered(picture)
        for kind, data in each(named):
            if kind in _LOST and self._says_something(kind, data, picture):
                yield _LOST[kind]
        for number in numbers & _LOST_BY_NUMBER.keys():
            yield _LOST_BY_NUMBER[number]

    def _says_something(self, kind: str, data: bytes, picture: VideoFrame) -> bool:
        if kind == "SEI_UNREGISTERED":
            return data.startswith(_CLOCKS)
        if kind == "AFD":
            return data[0] not in _WHOLE_FRAME
        if kind == "GOP_TIMECODE":  # which every GOP of MPEG-2 has, and most count from 0
            return self._number == 1 and bool(int.from_bytes(data[:4], sys.byteorder) & _CLOCK)
        if kind == "PANSCAN":  # id, width and height in 16ths of a pixel; MPEG-2 has always one, mostly of the whole
            _, width, height = struct.unpack_from("3i", data)
            return bool(0 < width < 16 * picture.width or 0 < height < 16 * picture.height)
        return True
