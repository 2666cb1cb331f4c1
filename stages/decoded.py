"""Decoded pictures: what they are, and into the planes that the engine reads."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.models.fold import padded_chroma, padded_luma
from sr4k.pipeline import Format, Frame, PlaneSpec
from sr4k.stages.picture import inside, rows_of
from sr4k.stages.sidedata import side_data
from sr4k.stages.video import BT601, BT709, FULL_RANGE, HD_HEIGHT, LIMITED_RANGE, ColourTags, VideoInfo, colour_of

PLANAR_420 = {"yuv420p", "yuvj420p"}
"""The pixel formats that are copied as they are."""


def describe(first: VideoFrame, stream: VideoStream, size: tuple[int, int], tick: Fraction) -> VideoInfo:
    """A stream by its first picture, as it goes on at ``size`` (width, height)."""
    width, height = size
    tags = tags_of(first)
    sar = stream.sample_aspect_ratio or None
    if size != (first.width, first.height):
        sar = (sar or Fraction(1)) * Fraction(first.width * height, first.height * width)
    matrix: Any = side_data(first).get("DISPLAYMATRIX")
    return VideoInfo(
        width=width,
        height=height,
        time_base=tick,
        rate=positive(stream.guessed_rate or stream.average_rate, Fraction(25)),
        sample_aspect_ratio=sar,
        tags=tags,
        colour=colour_of(tags, height=first.height, codec=stream.codec_context.name),
        display_matrix=None if matrix is None else tuple(np.frombuffer(bytes(matrix), np.int32).tolist()),
    )


def tags_of(picture: VideoFrame) -> ColourTags:
    """Its tags, put right where the pixel format says more: yuvj is full range, RGB becomes Y'CbCr."""
    tags = ColourTags(picture.colorspace, picture.color_range, picture.color_primaries, picture.color_trc)
    if picture.format.is_rgb:
        matrix = BT709 if picture.height >= HD_HEIGHT else BT601
        return replace(tags, colorspace=matrix, color_range=LIMITED_RANGE)
    if picture.format.name.startswith("yuvj"):
        return replace(tags, color_range=FULL_RANGE)
    return tags


def padded_format(info: VideoInfo) -> Format:
    """Of padded luma and chroma for pictures of this size, made even."""
    even = (info.height + info.height % 2, info.width + info.width % 2)
    return Format((PlaneSpec(padded_luma(*even)), PlaneSpec((2, *padded_chroma(*even)))), about=info)


def copy_inside(picture: VideoFrame, out: Frame) -> None:
    """The one copy between decoder and engine: 8-bit 4:2:0 into the middle of the padded planes."""
    luma, chroma = out.planes
    for plane, target in zip(picture.planes, inside(luma, chroma, (picture.width, picture.height)), strict=True):
        np.copyto(target, rows_of(plane)[: target.shape[0], : target.shape[1]])


def positive(value: Fraction | None, otherwise: Fraction) -> Fraction:
    """The value, if there is one and it is not 0."""
    return Fraction(value) if value else otherwise
