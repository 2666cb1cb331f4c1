"""Finds side data of pictures that matter to a player and are not kept, so that they can be reported."""

import struct
import sys
from collections.abc import Iterator

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.common.side_data import each, named_and_numbered

_LOST = {
    "A53_CC": "closed captions in the video (CEA-608, CEA-708)",
    "SPHERICAL": "the spherical (360°) projection",
    "AFD": "the active format description (AFD)",
    "PANSCAN": "pan and scan rectangles",
    "S12M_TIMECODE": "timecodes of single frames (SMPTE ST 12)",
    "GOP_TIMECODE": "timecodes of GOP headers",
    "AMBIENT_VIEWING_ENVIRONMENT": "the ambient viewing environment",
    "FILM_GRAIN_PARAMS": "film grain parameters",
    "SEI_UNREGISTERED": "the capture times of frames (MISB ST 0604)",
}
"""Descriptions by PyAV's type names. Rotation, HDR metadata, colour profiles and 3D are handled elsewhere; other
types, such as motion vectors, have no effect on what is displayed."""

_LOST_BY_NUMBER = {28: "the enhancement layer (LCEVC)", 29: "the additional views (MV-HEVC)"}
"""Descriptions by libav's numbers of types that PyAV 18 has no names for."""

_LOST |= {"LCEVC": _LOST_BY_NUMBER[28], "VIEW_ID": _LOST_BY_NUMBER[29]}

_EVERY = 8
"""One of this many pictures is examined, besides all key frames."""

_CLOCKS = b"MISPmicrosectime"
"""UUID of SEI messages with a frame's capture time (MISB ST 0604). Most others hold the settings of the source's
encoder, which don't apply to the result."""

_WHOLE_FRAME = (0, 8)
"""Active format descriptions that mean the whole frame."""

_CLOCK = 0xFFEFFF
"""Bits of a GOP's time code with hours, minutes, seconds and pictures (ISO/IEC 13818-2, 6.3.8), without the marker."""

_WITH_ALPHA = {"vp8", "vp9"}
"""Codecs whose alpha channel is a second stream inside the packets, which libav's native decoders ignore."""


class DroppedSideData:
    """Side data of one stream that are not kept; each type is reported once."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._reported: set[str] = set()
        self._number = 0

    def new_in(self, picture: VideoFrame) -> Iterator[str]:
        """Yield descriptions of the types that this picture is the first to have.

        Only key frames and one picture in `_EVERY` are examined: such data come with many pictures of a stream.
        """
        self._number += 1
        if not (picture.key_frame or self._number % _EVERY == 1):
            return
        for words in self._found(picture):
            if words not in self._reported:
                self._reported.add(words)
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
        if kind == "GOP_TIMECODE":  # every GOP of MPEG-2 has one, and most count from 0
            return self._number == 1 and bool(int.from_bytes(data[:4], sys.byteorder) & _CLOCK)
        if kind == "PANSCAN":  # ID, width, height in 1/16 pixel; MPEG-2 always has one, mostly the whole picture
            _, width, height = struct.unpack_from("3i", data)
            return bool(0 < width < 16 * picture.width or 0 < height < 16 * picture.height)
        return True
