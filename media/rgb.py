"""RGB pictures, in which every pixel keeps its own colour.

They are packed, (H, W, 3): uint8 from 0 to 255, or uint16 from 0 to 65535 for more than 8 bits.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from sr4k.media.fitting import inner_size
from sr4k.media.look import DecodedPicture, Look
from sr4k.media.planes import rows_of
from sr4k.media.scaling import Scaler
from sr4k.media.video import VideoInfo
from sr4k.models.colour import Colour, rgb_from_yuv, yuv_from_rgb
from sr4k.pipeline import Format, Frame, PlaneSpec

DEEP_UNIT = 257
"""Values of 16-bit RGB per 8-bit level."""

_RGB, _DEEP = "rgb24", "rgb48le"
"""libav's names of packed RGB of 8 and of 16 bits."""

_BAND = 32
"""Rows that are converted at once: a whole picture in floats would be large."""

_GRAY = {"gray", "ya8", "gray16le", "gray16be", "ya16le", "ya16be"}
_BLACK_OR_WHITE = {"monob", "monow"}
"""libav's names of the pixel formats of pictures without colour."""


def depth(info: VideoInfo, most: Literal[8, 16] | None) -> Literal[8, 16] | None:
    """Return the bits of RGB that is made of a stream: 16 for more than 8, but not more than ``most``, if any."""
    return 8 if info.colour.bits == 8 and most is not None else most


def is_for_rgb(look: Look) -> bool:
    """Whether RGB keeps all of a picture: it has a colour, or a full-range gray, for every pixel."""
    is_gray = look.pixel_format in _GRAY | _BLACK_OR_WHITE and look.colour.full_range
    return look.is_colourful or is_gray


def has_no_colour(pixel_format: str) -> bool:
    """Whether pictures of this pixel format, by libav's name, are gray, with alpha or without."""
    return pixel_format.startswith(("gray", "ya")) or pixel_format in _BLACK_OR_WHITE


def without_colour(rgb: NDArray[Any]) -> NDArray[Any]:
    """Return packed RGB as gray (H, W): a network may make slight colours of gray."""
    from sr4k.common.opencv import cv2  # here, because most videos do without it

    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))


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
    frame = _colours_of_gray(picture.frame) if picture.look.pixel_format in _GRAY else picture.frame
    rgb: NDArray[Any] = scaler(frame, inner, _DEEP if deep else _RGB, source, target).to_ndarray()
    plane = out.planes[0]
    if rgb.dtype != plane.dtype:
        rgb = np.rint(rgb / DEEP_UNIT) if deep else rgb.astype(np.uint16) * DEEP_UNIT
    top, left = (info.height - inner[1]) // 2, (info.width - inner[0]) // 2
    if inner != size:
        plane[:] = 0
    np.copyto(plane[top : top + inner[1], left : left + inner[0]], rgb, casting="unsafe")


def _colours_of_gray(picture: VideoFrame) -> VideoFrame:
    """Return gray as RGB, exactly, which libswscale's result is not; without alpha."""
    name, has_alpha = picture.format.name, picture.format.name.startswith("ya")
    is_deep = "16" in name
    samples = rows_of(picture.planes[0], "u1" if not is_deep else ">u2" if name.endswith("be") else "<u2")
    gray = samples[: picture.height, : picture.width * (1 + has_alpha) : 1 + has_alpha]
    return VideoFrame.from_ndarray(np.dstack([gray] * 3).astype("<u2" if is_deep else "u1"), _DEEP if is_deep else _RGB)


def scaled_channels(rgb: NDArray[Any], size: tuple[int, int], scaler: Scaler) -> Iterator[NDArray[Any]]:
    """Yield red, green and blue of packed RGB, scaled one at a time: libswscale would scale Y'CbCr, and shift gray.

    Args:
        rgb: uint8 or uint16.
        size: (width, height) of the results, whose rows may be longer.
        scaler: kept between pictures.
    """
    colour, name = Colour(full_range=True), "gray" if rgb.dtype == np.uint8 else "gray16le"
    for channel in range(3):
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(rgb[..., channel]), name)
        yield rows_of(scaler(picture, size, name, colour, colour).planes[0], str(rgb.dtype))


def deep_rgb(picture: VideoFrame, colour: Colour, out: NDArray[Any]) -> None:
    """Write 10-bit 4:4:4 Y'CbCr as packed RGB of 16 bits; white is 65535, where libswscale's is 65283.

    Args:
        picture: in yuv444p10le.
        colour: how it is read.
        out: (H, W, 3), uint16, of the picture's size.
    """
    from sr4k.common.opencv import cv2  # here, because most videos do without it

    matrix = (DEEP_UNIT * rgb_from_yuv(colour)[0]).astype(np.float32)
    matrix[:, 0] = matrix[0, 0]  # they are equal but for rounding: gray stays gray, exactly
    neutral = [np.float32(level) for level in (colour.black, colour.middle, colour.middle)]
    planes = [rows_of(plane, colour.dtype)[: picture.height, : picture.width] for plane in picture.planes]
    for top in range(0, picture.height, _BAND):
        rows = slice(top, top + _BAND)
        yuv = cv2.merge([plane[rows] - level for plane, level in zip(planes, neutral, strict=True)])
        rgb = cv2.transform(yuv, matrix)
        np.copyto(out[rows], np.clip(np.rint(rgb), 0, 255 * DEEP_UNIT), casting="unsafe")


def deep_yuv(rgb_frame: VideoFrame, colour: Colour) -> VideoFrame:
    """Convert RGB of more than 8 bits to 10-bit 4:4:4 Y'CbCr with the matrix and range of ``colour``.

    libswscale's own result is off by up to two levels.
    """
    from sr4k.common.opencv import cv2

    matrix, offset = yuv_from_rgb(colour)
    rgb = rgb_frame.to_ndarray(format="rgb48le")
    yuv = cv2.transform(rgb.astype(np.float32), np.column_stack([matrix / DEEP_UNIT, offset]).astype(np.float32))
    out = VideoFrame(rgb_frame.width, rgb_frame.height, "yuv444p10le")
    for plane, values in zip(out.planes, cv2.split(yuv), strict=True):
        levels = np.clip(np.rint(values), 0, colour.peak)
        np.copyto(rows_of(plane, colour.dtype)[:, : rgb_frame.width], levels, casting="unsafe")
    return out
