"""Decoded pictures: their description for the graph, and the copy into the padded planes that the engine reads."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from av.video.stream import VideoStream

from sr4k.common.side_data import side_data
from sr4k.media.assumed_colour import completed
from sr4k.media.enlarge import widen_chroma
from sr4k.media.hdr import hdr_of, is_unreadable
from sr4k.media.headers import chroma_location
from sr4k.media.look import DecodedPicture, Planes
from sr4k.media.planes import inside, rows_of
from sr4k.media.stereo3d import stereo_mode
from sr4k.media.video import ColourTags, VideoInfo, ratio
from sr4k.models.colour import Colour
from sr4k.models.geometry import padded_chroma, padded_luma
from sr4k.pipeline import Format, PlaneSpec
from sr4k.pipeline.frame import Plane

_STILL = {"mjpeg", "webp", "png", "apng", "gif", "bmp", "tiff"}
"""Codecs of still pictures, which are sRGB unless tagged otherwise."""

_MOST_GUESSED, _MOST_AVERAGE = 300, 10_000
"""Frame rates above which a guessed and an average one are taken for the resolution of the timestamps."""


def describe(first: DecodedPicture, stream: VideoStream, size: tuple[int, int], tick: Fraction) -> VideoInfo:
    """Describe a stream by its first picture, as the graph processes it in 8 bits and 4:2:0.

    Args:
        first: the first picture.
        stream: the stream that it was decoded from.
        size: (width, height) at which the graph processes it.
        tick: the time base of its pts, in seconds.
    """
    width, height = size
    frame, look = first.frame, first.look
    sar = ratio(stream.sample_aspect_ratio)
    if size != (look.width, look.height):
        sar = (sar or Fraction(1)) * Fraction(look.width * height, look.height * width)
    matrix: Any = side_data(frame).get("DISPLAYMATRIX")
    colour = replace(look.colour, chroma_location=chroma_location(stream) or look.colour.chroma_location)
    return VideoInfo(
        width=width,
        height=height,
        time_base=tick,
        rate=_rate(stream),
        sample_aspect_ratio=sar,
        tags=shown_tags(first, colour, stream),
        colour=colour,
        display_matrix=None if matrix is None else tuple(np.frombuffer(bytes(matrix), np.int32).tolist()),
        source_tags=look.tags,
        stereo_mode=stereo_mode(frame),
    )


def _rate(stream: VideoStream) -> Fraction:
    """Return the nominal frame rate; jittered timestamps make libav guess that of their clock, such as 1000."""
    guessed = ratio(stream.guessed_rate)
    if guessed is not None and guessed <= _MOST_GUESSED:
        return guessed
    average = ratio(stream.average_rate)
    return average if average is not None and average <= _MOST_AVERAGE else Fraction(25)


def shown_tags(first: DecodedPicture, colour: Colour, stream: VideoStream) -> ColourTags:
    """Return the colour tags that a picture is shown by, and that its result gets.

    Nothing is assumed for planes that only Dolby Vision can interpret.
    """
    frame, look = first.frame, first.look
    if is_unreadable(frame, stream):
        return look.tags
    is_graphic = look.is_colourful or stream.codec_context.codec.canonical_name in _STILL
    return completed(look.tags, colour, look.height, is_graphic=is_graphic, may_be_hdr=hdr_of(frame) is not None)


def with_source_depth(info: VideoInfo, first: DecodedPicture) -> VideoInfo:
    """Return the description with the source's bit depth and chroma sampling, and its HDR metadata."""
    layout = first.look.layout
    colour = replace(info.colour, bits=layout.bits, sampling="444" if layout.chroma in ("422", "444") else "420")
    deep = layout.bits > 8
    return replace(info, colour=colour, pixel_format="yuv420p10le" if deep else "yuv420p", hdr=hdr_of(first.frame))


def padded_format(info: VideoInfo) -> Format:
    """Return the format of padded planes for pictures of this size, rounded up to even: luma and (2, …) chroma."""
    even, colour = (info.height + info.height % 2, info.width + info.width % 2), info.colour
    luma, chroma = padded_luma(*even), padded_chroma(*even, colour.sampling)
    return Format((PlaneSpec(luma, colour.dtype), PlaneSpec((2, *chroma), colour.dtype)), about=info)


def copy_inside(picture: Planes, out: Sequence[Plane], colour: Colour) -> None:
    """Copy a picture into the middle of padded planes: the only copy between decoder and engine.

    Args:
        picture: in the layout of its stream.
        out: padded luma and chroma, as `padded_format` describes them.
        colour: depth, sampling and chroma location of the stream.
    """
    frame, layout = picture
    luma, *chroma = inside(out[0], out[1], (frame.width, frame.height))
    planes = [rows_of(plane, colour.dtype) for plane in frame.planes]
    np.copyto(luma, planes[0][: luma.shape[0], : luma.shape[1]])
    if layout.chroma == "400":
        out[1][:] = colour.middle
    for plane, target in zip(planes[1:], chroma, strict=False):
        if layout.chroma == "422":
            widen_chroma(plane[: target.shape[0], : -(-target.shape[1] // 2)], target, colour.chroma_location)
        else:
            np.copyto(target, plane[: target.shape[0], : target.shape[1]])


def positive(value: Fraction | None, otherwise: Fraction) -> Fraction:
    """Return the value, or ``otherwise`` if it is ``None`` or 0."""
    return Fraction(value) if value else otherwise
