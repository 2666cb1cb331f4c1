"""What a codec's own headers say and PyAV before 19 does not."""

import re

import av
import av.logging
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream

from sr4k.models.colour import ChromaLocation

_H26X: dict[int, ChromaLocation] = {0: "left", 1: "center", 2: "topleft"}
"""Chroma sample location types of H.264 and HEVC (ITU-T H.264, Figure E-1)."""

_AV1: dict[int, ChromaLocation] = {1: "left", 2: "topleft"}
"""``chroma_sample_position`` of AV1."""

_LIBAV: dict[int, ChromaLocation] = {1: "left", 2: "center", 3: "topleft"}
"""``AVChromaLocation``."""

_NAMES: dict[str, tuple[str, dict[int, ChromaLocation]]] = {
    "h264": ("chroma_sample_loc_type_top_field", _H26X),
    "hevc": ("chroma_sample_loc_type_top_field", _H26X),
    "av1": ("chroma_sample_position", _AV1),
}


def chroma_location(stream: VideoStream) -> ChromaLocation | None:
    """Where the headers at the beginning of a stream say that chroma is sited, if they do.

    To be asked when the first picture is decoded, and nothing is being decoded. PyAV from 19 on knows what the decoder
    found, or the container says; for older ones the headers are read.
    """
    known: int | None = getattr(stream.codec_context, "chroma_sample_location", None)
    if known is not None:
        return _LIBAV.get(known)
    name, values = _NAMES.get(stream.codec_context.codec.canonical_name, ("", {}))
    if not name or not stream.codec_context.extradata:
        return None
    found = re.search(rf"\b{name}\b.* = (\d+)", _trace(stream))
    return None if found is None else values.get(int(found[1]))


def _trace(stream: VideoStream) -> str:
    """Every field of the headers, in libav's words."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        with av.logging.Capture() as lines:
            BitStreamFilterContext("trace_headers", stream)
    except av.error.FFmpegError:  # of a damaged head
        return ""
    finally:
        av.logging.set_level(level)
    return "".join(text for *_, text in lines)
