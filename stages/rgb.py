"""RGB pictures on their way to a network that runs on RGB: every pixel keeps a colour of its own."""

from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame

from sr4k.models.fold import PAD_BEFORE, padded_luma
from sr4k.pipeline import Format, Frame, PlaneSpec
from sr4k.stages.decoded import tags_of
from sr4k.stages.fitting import CODES, inner_size
from sr4k.stages.video import FULL_RANGE, LIMITED_RANGE, VideoInfo, colour_of


def rgb_format(info: VideoInfo) -> Format:
    """Of padded RGB for pictures of this size, made even."""
    even = (info.height + info.height % 2, info.width + info.width % 2)
    return Format((PlaneSpec((3, *padded_luma(*even))),), about=info)


def copy_rgb_inside(picture: VideoFrame, out: Frame, info: VideoInfo, sample_aspect_ratio: Fraction | None) -> None:
    """Into the middle of padded RGB, 8-bit; what has another shape keeps it, on black.

    ``sample_aspect_ratio``: of the picture, where it is not like the first one.
    """
    size = (info.width, info.height)
    inner = size if sample_aspect_ratio is None else inner_size(picture, info, sample_aspect_ratio)
    colour = colour_of(tags_of(picture), height=picture.height, codec="")
    full = picture.format.is_rgb or picture.format.name.startswith(("gray", "ya", "pal")) or colour.full_range
    rgb = picture.reformat(
        *inner,
        format="rgb24",
        interpolation="LANCZOS",
        src_colorspace=None if picture.format.is_rgb else CODES[colour.matrix],
        src_color_range=FULL_RANGE if full else LIMITED_RANGE,
        dst_color_range=FULL_RANGE,
    ).to_ndarray()
    plane = out.planes[0][:, PAD_BEFORE : PAD_BEFORE + info.height, PAD_BEFORE : PAD_BEFORE + info.width]
    top, left = (info.height - inner[1]) // 2, (info.width - inner[0]) // 2
    if inner != size:
        plane[:] = 0
    np.copyto(plane[:, top : top + inner[1], left : left + inner[0]], np.moveaxis(rgb, 2, 0))
