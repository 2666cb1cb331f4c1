"""8-bit 4:2:0 pictures: as one block of memory, in padded planes, and as libav's frames."""

from typing import Any, Literal

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from sr4k.models.fold import CHROMA_PAD, PAD_BEFORE

Block = NDArray[Any]
"""Y, U and V one after the other, shape (3H/2, W), uint8; H and W even."""


def split_420(block: Block) -> tuple[Block, Block, Block]:
    """Views of Y (H, W), U and V (H/2, W/2) in one block."""
    height, width = block.shape[0] * 2 // 3, block.shape[1]
    flat, luma, chroma = block.reshape(-1), height * width, height * width // 4
    half = (height // 2, width // 2)
    return (
        flat[:luma].reshape(height, width),
        flat[luma : luma + chroma].reshape(half),
        flat[luma + chroma :].reshape(half),
    )


def inside(luma: Any, chroma: Any, size: tuple[int, int]) -> tuple[Any, ...]:
    """Views of padded planes without their margins: where Y, U and V of a picture of ``size`` (width, height) go."""
    width, height = size
    return (
        luma[PAD_BEFORE : PAD_BEFORE + height, PAD_BEFORE : PAD_BEFORE + width],
        *(plane[CHROMA_PAD:-CHROMA_PAD, CHROMA_PAD:-CHROMA_PAD] for plane in chroma),
    )


def rows_of(plane: VideoPlane) -> NDArray[np.uint8]:
    """A view of a libav plane, (rows, line_size): wider than the picture where lines are padded."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)


def as_picture(block: Block, pixel_format: Literal["yuv420p", "nv12"] = "yuv420p") -> VideoFrame:
    """A block as a libav frame; without a copy where PyAV can (H a multiple of 4)."""
    height, width = block.shape[0] * 2 // 3, block.shape[1]
    if height % 4 == 0:
        return VideoFrame.from_numpy_buffer(block, pixel_format)
    picture = VideoFrame(width, height, pixel_format)
    planes = split_420(block) if pixel_format == "yuv420p" else (block[:height], block[height:])
    for plane, source in zip(picture.planes, planes, strict=True):
        np.copyto(rows_of(plane)[: source.shape[0], : source.shape[1]], source)
    return picture
