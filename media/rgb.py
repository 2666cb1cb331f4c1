"""RGB pictures, in which every pixel keeps its own colour.

They are packed, (H, W, 3): uint8 from 0 to 255, or uint16 from 0 to 65535 for more than 8 bits.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.media.fitting import inner_size
from sr4k.media.look import DecodedPicture
from sr4k.media.planes import rows_of
from sr4k.media.scaling import Scaler
from sr4k.media.video import VideoInfo
from sr4k.models.colour import Colour, yuv_from_rgb
from sr4k.pipeline import Format, Frame, PlaneSpec

DEEP_UNIT = 257
"""Values of 16-bit RGB per 8-bit level."""


def rgb_format(info: VideoInfo) -> Format:
    """Return the format of packed RGB for pictures of this size."""
    return Format((PlaneSpec((info.height, info.width, 3), info.colour.dtype),), about=info)


def copy_rgb(picture: DecodedPicture, out: Frame, info: VideoInfo, scaler: Scaler) -> None:
    """Convert a picture to packed RGB.

    A picture of another shape than the stream's keeps it, with black bars.

    Args:
        picture: a decoded picture.
        out: a frame as `rgb_format` describes it.
        info: the stream.
        scaler: the converter, kept between pictures.
    """
    size = (info.width, info.height)
    inner = inner_size(picture.look, info) if picture.is_other else size
    deep = picture.look.layout.bits > 8
    source = picture.look.read_like(info.colour)
    target = replace(source, full_range=True)
    rgb: NDArray[Any] = scaler(picture.frame, inner, "rgb48le" if deep else "rgb24", source, target).to_ndarray()
    plane = out.planes[0]
    if rgb.dtype != plane.dtype:
        rgb = np.rint(rgb / DEEP_UNIT) if deep else rgb.astype(np.uint16) * DEEP_UNIT
    top, left = (info.height - inner[1]) // 2, (info.width - inner[0]) // 2
    if inner != size:
        plane[:] = 0
    np.copyto(plane[top : top + inner[1], left : left + inner[0]], rgb, casting="unsafe")


def deep_yuv(rgb_frame: VideoFrame, colour: Colour) -> VideoFrame:
    """Convert RGB of more than 8 bits to 10-bit 4:4:4 Y'CbCr with the matrix and range of ``colour``.

    libswscale's own result is off by up to two levels.
    """
    matrix, offset = yuv_from_rgb(colour)
    rgb = rgb_frame.to_ndarray(format="rgb48le")
    yuv = cv2.transform(rgb.astype(np.float32), np.column_stack([matrix / DEEP_UNIT, offset]).astype(np.float32))
    out = VideoFrame(rgb_frame.width, rgb_frame.height, "yuv444p10le")
    for plane, values in zip(out.planes, cv2.split(yuv), strict=True):
        levels = np.clip(np.rint(values), 0, colour.peak)
        np.copyto(rows_of(plane, colour.dtype)[:, : rgb_frame.width], levels, casting="unsafe")
    return out
