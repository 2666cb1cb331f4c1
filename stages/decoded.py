"""Decoded pictures: what they are, and into the planes that the engine reads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.models.colour import Colour
from sr4k.models.geometry import padded_chroma, padded_luma
from sr4k.pipeline import Format, PlaneSpec
from sr4k.pipeline.frame import Plane
from sr4k.stages.enlarge import widen_chroma
from sr4k.stages.hdr import hdr_of, is_unreadable
from sr4k.stages.headers import chroma_location
from sr4k.stages.picture import inside, rows_of
from sr4k.stages.sidedata import side_data
from sr4k.stages.stereo import stereo_mode
from sr4k.stages.told import completed
from sr4k.stages.video import (
    BT601,
    BT709,
    FULL_RANGE,
    HD_HEIGHT,
    LIMITED_RANGE,
    ColourTags,
    VideoInfo,
    colour_of,
    ratio,
)

Chroma = Literal["400", "420", "422", "444"]
"""How many samples of colour there are: none, for each 2x2 pixels, for each two in a row, for each."""

_STILL = {"mjpeg", "webp", "png", "apng", "gif", "bmp", "tiff"}
"""Codecs of pictures, which are sRGB where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What of a pixel format is kept: 8 or 10 bits, and its chroma. ``name`` is libav's of planes that hold it."""

    bits: Literal[8, 10]
    chroma: Chroma

    @property
    def name(self) -> str:
        depth = "10le" if self.bits == 10 else ""
        return f"gray{depth}" if self.chroma == "400" else f"yuv{self.chroma}p{depth}"

    def is_of(self, picture: VideoFrame) -> bool:
        """Whether the picture's planes are these, and need no conversion."""
        return picture.format.name in (self.name, self.name.replace("yuv", "yuvj"))


def layout_of(form: VideoFormat) -> Layout:
    """What holds all of a pixel format, or its first 10 bits."""
    bits: Literal[8, 10] = 10 if max((component.bits for component in form.components), default=8) > 8 else 8
    if is_colourful(form):
        return Layout(bits, "444")
    if len(form.components) < 3:
        return Layout(bits, "400")
    wide, high = form.chroma_width(64) == 64, form.chroma_height(64) == 64
    return Layout(bits, "444" if wide else "422" if high else "420")


def is_colourful(form: VideoFormat) -> bool:
    """Whether it has a colour for every pixel: RGB, or by a palette."""
    return form.is_rgb or form.has_palette


def describe(first: VideoFrame, stream: VideoStream, size: tuple[int, int], tick: Fraction) -> VideoInfo:
    """A stream by its first picture, as it goes on at ``size`` (width, height), in 8 bits and 4:2:0."""
    width, height = size
    tags = tags_of(first)
    sar = ratio(stream.sample_aspect_ratio)
    if size != (first.width, first.height):
        sar = (sar or Fraction(1)) * Fraction(first.width * height, first.height * width)
    matrix: Any = side_data(first).get("DISPLAYMATRIX")
    colour = colour_of(
        tags,
        height=first.height,
        codec=stream.codec_context.name,
        chroma_location=chroma_location(stream),
    )
    return VideoInfo(
        width=width,
        height=height,
        time_base=tick,
        rate=positive(stream.guessed_rate or stream.average_rate, Fraction(25)),
        sample_aspect_ratio=sar,
        tags=_written(tags, colour, first, stream),
        colour=colour,
        display_matrix=None if matrix is None else tuple(np.frombuffer(bytes(matrix), np.int32).tolist()),
        told=tags,
        stereo_mode=stereo_mode(first),
    )


def _written(tags: ColourTags, colour: Colour, first: VideoFrame, stream: VideoStream) -> ColourTags:
    """What the result says of its colours; nothing is made up for planes that are no colours anybody else knows."""
    if is_unreadable(first, stream):
        return tags
    is_graphic = is_colourful(first.format) or stream.codec_context.codec.canonical_name in _STILL
    return completed(tags, colour, first.height, is_graphic=is_graphic, may_be_hdr=hdr_of(first) is not None)


def tags_of(picture: VideoFrame) -> ColourTags:
    """Its tags, put right where the pixel format says more: yuvj is full range, RGB becomes Y'CbCr.

    Gray without tags is full range: so libav makes it.
    """
    tags = ColourTags(picture.colorspace, picture.color_range, picture.color_primaries, picture.color_trc)
    if is_colourful(picture.format):
        matrix = BT709 if picture.height >= HD_HEIGHT else BT601
        return replace(tags, colorspace=matrix, color_range=LIMITED_RANGE)
    is_gray = 0 < len(picture.format.components) < 3  # on a GPU it has none
    if picture.format.name.startswith("yuvj") or (is_gray and not tags.color_range):
        return replace(tags, color_range=FULL_RANGE)
    return tags


def kept(info: VideoInfo, layout: Layout, first: VideoFrame) -> VideoInfo:
    """The same with the depth and the chroma of the source."""
    colour = replace(info.colour, bits=layout.bits, sampling="444" if layout.chroma in ("422", "444") else "420")
    deep = layout.bits > 8
    return replace(info, colour=colour, pixel_format="yuv420p10le" if deep else "yuv420p", hdr=hdr_of(first))


def padded_format(info: VideoInfo) -> Format:
    """Of padded luma and chroma for pictures of this size, made even."""
    even, colour = (info.height + info.height % 2, info.width + info.width % 2), info.colour
    luma, chroma = padded_luma(*even), padded_chroma(*even, colour.sampling)
    return Format((PlaneSpec(luma, colour.dtype), PlaneSpec((2, *chroma), colour.dtype)), about=info)


def copy_inside(picture: VideoFrame, out: Sequence[Plane], colour: Colour) -> None:
    """The one copy between decoder and engine, from the planes of a `Layout` into the middle of the padded ones."""
    luma, *chroma = inside(out[0], out[1], (picture.width, picture.height))
    planes = [rows_of(plane, colour.dtype) for plane in picture.planes]
    np.copyto(luma, planes[0][: luma.shape[0], : luma.shape[1]])
    layout = layout_of(picture.format)
    if layout.chroma == "400":
        out[1][:] = colour.middle
    for plane, target in zip(planes[1:], chroma, strict=False):
        if layout.chroma == "422":
            widen_chroma(plane[: target.shape[0], : -(-target.shape[1] // 2)], target, colour.chroma_location)
        else:
            np.copyto(target, plane[: target.shape[0], : target.shape[1]])


def positive(value: Fraction | None, otherwise: Fraction) -> Fraction:
    """The value, if there is one and it is not 0."""
    return Fraction(value) if value else otherwise
