"""Memory layouts of pictures: one block, padded planes, and libav's frames."""

from typing import Any, Literal

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from sr4k.models.geometry import CHROMA_PAD, P010_SHIFT, PAD_BEFORE, is_subsampled

Block = NDArray[Any]
"""A 4:2:0 picture: Y, U and V in this order, shape (3H/2, W), uint8, or uint16 for more than 8 bits; H and W even."""

PixelFormat = Literal["yuv420p", "nv12", "yuv420p10le", "p010le"]
"""libav's names of the pixel formats that a block may have."""

PLANAR: dict[PixelFormat, PixelFormat] = {"nv12": "yuv420p", "p010le": "yuv420p10le"}
"""Of formats whose U and V alternate, those of the same depth with a plane for each."""


def split_420(block: Block) -> tuple[Block, Block, Block]:
    """Return views of a block's planes: Y (H, W), U and V (H/2, W/2)."""
    height, width = block.shape[0] * 2 // 3, block.shape[1]
    flat, luma, chroma = block.reshape(-1), height * width, height * width // 4
    half = (height // 2, width // 2)
    return (
        flat[:luma].reshape(height, width),
        flat[luma : luma + chroma].reshape(half),
        flat[luma + chroma :].reshape(half),
    )


def inside(luma: Any, chroma: Any, size: tuple[int, int]) -> tuple[Any, ...]:
    """Return views of padded planes without their margins: Y, U and V of a picture of ``size`` (width, height).

    Args:
        luma: padded luma, two-dimensional.
        chroma: padded chroma, (2, rows, columns), subsampled or not.
        size: (width, height) of the picture in pixels.
    """
    width, height = size
    rows, columns = slice(PAD_BEFORE, PAD_BEFORE + height), slice(PAD_BEFORE, PAD_BEFORE + width)
    if not is_subsampled(luma, chroma):
        return (luma[rows, columns], *(plane[rows, columns] for plane in chroma))
    return (luma[rows, columns], *(plane[CHROMA_PAD:-CHROMA_PAD, CHROMA_PAD:-CHROMA_PAD] for plane in chroma))


def rows_of(plane: VideoPlane, dtype: str = "uint8") -> NDArray[Any]:
    """Return a view of a libav plane, shape (rows, samples a line); wider than the picture where lines are padded."""
    samples = plane.line_size // np.dtype(dtype).itemsize
    return np.frombuffer(memoryview(plane), dtype).reshape(-1, samples)


def as_picture(block: Block, pixel_format: PixelFormat = "yuv420p") -> VideoFrame:
    """Return a block as a libav frame; without a copy where PyAV supports it (8 bits, H a multiple of 4)."""
    height, width = block.shape[0] * 2 // 3, block.shape[1]
    if height % 4 == 0 and block.dtype == np.uint8:
        return VideoFrame.from_numpy_buffer(block, pixel_format)
    picture = VideoFrame(width, height, pixel_format)
    planes = (block[:height], block[height:]) if pixel_format in PLANAR else split_420(block)
    for plane, source in zip(picture.planes, planes, strict=True):
        np.copyto(rows_of(plane, str(block.dtype))[: source.shape[0], : source.shape[1]], source)
    return picture


def planar_of_p010(block: Block) -> VideoFrame:
    """Return a P010 block as a libav frame of ``yuv420p10le``.

    PyAV would have libswscale do it in threads, which now and then leaves 8 samples at the start of a slice unconverted
    (seen with libswscale 9.5).
    """
    height, width = block.shape[0] * 2 // 3, block.shape[1]
    picture = VideoFrame(width, height, PLANAR["p010le"])
    planes = (block[:height], block[height:, ::2], block[height:, 1::2])
    for plane, source in zip(picture.planes, planes, strict=True):
        target = rows_of(plane, "uint16")[: source.shape[0], : source.shape[1]]
        np.right_shift(source, P010_SHIFT, out=target)
    return picture
