"""RGB pictures: every pixel keeps a colour of its own."""

from fractions import Fraction
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from sr4k.models.colour import Colour, yuv_from_rgb
from sr4k.models.fold import PAD_BEFORE, padded_luma
from sr4k.models.opencv import cv2
from sr4k.pipeline import Format, Frame, PlaneSpec
from sr4k.stages.decoded import layout_of, tags_of
from sr4k.stages.fitting import CODES, inner_size
from sr4k.stages.picture import rows_of
from sr4k.stages.video import FULL_RANGE, LIMITED_RANGE, VideoInfo, colour_of


def rgb_format(info: VideoInfo) -> Format:
    """Of padded RGB for pictures of this size, made even: uint8, or float where that is too coarse."""
    even = (info.height + info.height % 2, info.width + info.width % 2)
    kind = "uint8" if info.colour.bits == 8 else "float32"
    return Format((PlaneSpec((3, *padded_luma(*even)), kind),), about=info)


def copy_rgb_inside(picture: VideoFrame, out: Frame, info: VideoInfo, sample_aspect_ratio: Fraction | None) -> None:
    """Into the middle of padded RGB, 0..255; what has another shape keeps it, on black.

    ``sample_aspect_ratio``: of the picture, where it is not like the first one.
    """
    size = (info.width, info.height)
    inner = size if sample_aspect_ratio is None else inner_size(picture, info, sample_aspect_ratio)
    colour = colour_of(tags_of(picture), height=picture.height, codec="")
    full = picture.format.is_rgb or picture.format.name.startswith(("gray", "ya", "pal")) or colour.full_range
    deep = layout_of(picture.format).bits > 8
    rgb: NDArray[Any] = picture.reformat(
        *inner,
        format="rgb48le" if deep else "rgb24",
        interpolation="LANCZOS",
        src_colorspace=None if picture.format.is_rgb else CODES[colour.matrix],
        src_color_range=FULL_RANGE if full else LIMITED_RANGE,
        dst_color_range=FULL_RANGE,
    ).to_ndarray()
    if deep:
        rgb = rgb.astype(np.float32) / 257
    plane = out.planes[0][:, PAD_BEFORE : PAD_BEFORE + info.height, PAD_BEFORE : PAD_BEFORE + info.width]
    top, left = (info.height - inner[1]) // 2, (info.width - inner[0]) // 2
    if inner != size:
        plane[:] = 0
    np.copyto(plane[:, top : top + inner[1], left : left + inner[0]], np.moveaxis(rgb, 2, 0))


def deep_yuv(picture: VideoFrame, colour: Colour) -> VideoFrame:
    """RGB of more than 8 bits as 4:4:4 Y'CbCr of 10, by the matrix of ``colour``: libswscale is off by two levels."""
    matrix, offset = yuv_from_rgb(colour)
    rgb = picture.to_ndarray(format="rgb48le")
    yuv = cv2.transform(rgb.astype(np.float32), np.column_stack([matrix / 257, offset]).astype(np.float32))
    out = VideoFrame(picture.width, picture.height, "yuv444p10le")
    for plane, values in zip(out.planes, cv2.split(yuv), strict=True):
        levels = np.clip(np.rint(values), 0, colour.peak)
        np.copyto(rows_of(plane, colour.dtype)[:, : picture.width], levels, casting="unsafe")
    return out
