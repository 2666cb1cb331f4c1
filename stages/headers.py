"""What a codec's own headers and its container say, and PyAV, at least before 19, does not."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av
import av.logging
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream

from sr4k.models.colour import ChromaLocation
from sr4k.stages.crop import Margins

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


_PLACES: dict[str, ChromaLocation] = {"left": "left", "center": "center", "topleft": "topleft"}

_VERBOSE, _USUAL = av.logging.VERBOSE, av.logging.INFO

_LETTING_GO = 0.02
"""Seconds."""


def chroma_location(stream: VideoStream) -> ChromaLocation | None:
    """Where the headers at the beginning of a stream say that chroma is sited, or its container, if they do.

    To be asked when the first picture is decoded, and nothing is being decoded. PyAV from 19 on knows what the decoder
    found, or the container says; for older ones the headers are read.
    """
    known: int | None = getattr(stream.codec_context, "chroma_sample_location", None)
    if known is not None:
        return _LIBAV.get(known)
    name, values = _NAMES.get(stream.codec_context.codec.canonical_name, ("", {}))
    if name and stream.codec_context.extradata:
        found = re.search(rf"\b{name}\b.* = (\d+)", _trace(stream))
        if found is not None:
            return values.get(int(found[1]))
    found = re.search(r"[(,] ?(left|center|topleft)\)", _described(stream).partition("\n")[0])
    return None if found is None else _PLACES[found[1]]


def margins(stream: VideoStream) -> Margins | None:
    """What the container says is not to be seen of its pictures.

    To be asked while nothing is being decoded.
    """
    found = re.search(r"^ +Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)$", _described(stream), re.MULTILINE)
    cut = None if found is None else Margins(*map(int, found.groups()))
    context = stream.codec_context
    if cut is None or not any(cut):
        return None
    return cut if cut.left + cut.right < context.width and cut.top + cut.bottom < context.height else None


def _described(stream: VideoStream) -> str:
    """What libav tells of a stream when it lists a container's: PyAV has no other way to some of it."""
    with _listening(_VERBOSE):  # else cropping, and where chroma is sited, are left out
        av.logging.set_libav_level(_VERBOSE)
        try:
            container: Any = stream.container  # its stubs leave this out
            listed: str = container.dumps_format()
        finally:
            av.logging.set_libav_level(_USUAL)
    _, *rest = re.split(rf"^  Stream #0:{stream.index}(?!\d)", listed, maxsplit=1, flags=re.MULTILINE)
    return "".join(rest).partition("\n  Stream #0:")[0]


def _trace(stream: VideoStream) -> str:
    """Every field of the headers, in libav's words."""
    try:
        with _listening(_USUAL), av.logging.Capture() as lines:
            BitStreamFilterContext("trace_headers", stream)
    except av.error.FFmpegError:  # of a damaged head
        return ""
    return "".join(text for *_, text in lines)


@contextmanager
def _listening(least: int) -> Iterator[None]:
    """What libav says reaches Python meanwhile, from a level on.

    That goes for the threads of other decoders too: one that has something to say waits for the interpreter's lock, and
    who frees that decoder waits for the thread, with the lock in hand, for ever. So the lock is let go of at the end,
    until all who began to speak have done so.
    """
    level = av.logging.get_level()
    av.logging.set_level(least)
    try:
        yield
    finally:
        av.logging.set_level(level)
        time.sleep(_LETTING_GO)
