"""The geometry of planes and cells: how a picture is padded for a network, and how the output becomes pixels.

A network works on *cells* of 2x2 input pixels, each of which becomes 4x4 output pixels. A picture is padded by
replication, by ``PAD_BEFORE`` and ``PAD_AFTER`` luma pixels, so the head needs no zero padding. The body computes
``MARGIN`` more cells than the picture has on each side, at least the reach of the tail; their output is cropped.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sr4k.models.colour import Sampling

SCALE = 2
"""Factor by which the networks of the pipeline enlarge width and height."""

CELL = 2
"""Side of a cell in input pixels."""

CELL_OUT = CELL * SCALE
"""Side of a cell in output pixels."""

MARGIN = 5
"""Cells around the picture that the body computes and the output drops: the reach of a luma network's layers."""

PAD_BEFORE = CELL * MARGIN + 1
"""Luma pixels replicated above and to the left: the margin and the head's reach."""

PAD_AFTER = CELL * MARGIN
"""Luma pixels replicated below and to the right."""

AROUND = 7 * CELL
"""Side of the square around a cell, in input pixels, whose range of levels bounds a crisp result."""

AROUND_PADS = (5, 6)
"""Rows, or columns, by which that square reaches beyond a padded plane, at its begin and at its end: margin alone."""

P010_SHIFT = 6
"""Bits by which P010 shifts its 10 to the left in 16."""

CHROMA_PAD = MARGIN + 1
"""Chroma samples replicated on every side of 4:2:0 planes."""


def pad_planes(luma: "NDArray[Any]", chroma: "NDArray[Any]") -> "list[NDArray[Any]]":
    """Replicate the borders of planes (H, W) and (2, H/2, W/2), or (2, H, W), to an engine's contiguous inputs.

    The dtype is kept; the shapes are those of `padded_luma` and `padded_chroma`.
    """
    import numpy as np  # here, because whoever plans a job needs the sizes alone

    around = (PAD_BEFORE, PAD_AFTER)
    beside = (CHROMA_PAD, CHROMA_PAD) if is_subsampled(luma, chroma) else around
    return [
        np.ascontiguousarray(np.pad(luma, (around, around), mode="edge")),
        np.ascontiguousarray(np.pad(chroma, ((0, 0), beside, beside), mode="edge")),
    ]


def is_subsampled(luma: Any, chroma: Any) -> bool:
    """Whether planes (H, W) and (2, h, w), padded or not, are 4:2:0 rather than 4:4:4."""
    return bool(chroma.shape[1:] != luma.shape)


def padded_luma(height: int, width: int) -> tuple[int, int]:
    """Return the rows and columns of a padded luma plane, or of each padded plane of RGB."""
    return height + PAD_BEFORE + PAD_AFTER, width + PAD_BEFORE + PAD_AFTER


def padded_chroma(height: int, width: int, sampling: "Sampling" = "420") -> tuple[int, int]:
    """Return the rows and columns of each padded chroma plane of a picture of ``height`` x ``width`` pixels."""
    if sampling == "444":
        return padded_luma(height, width)
    return height // 2 + 2 * CHROMA_PAD, width // 2 + 2 * CHROMA_PAD


def pixel_shuffle(values: "NDArray[Any]", r: int) -> "NDArray[Any]":
    """PixelShuffle (arXiv 1609.05158): return (..., c, h r, w r) of (..., c r r, h, w), same dtype, new memory.

    For evaluation and folding. The stages that make frames of a video have their own forms, which write straight to the
    frame's memory: `sr4k.stages.reconstruct.shuffle` and `sr4k.engines.on_gpu.nv12_of`.
    """
    *outer, channels, h, w = values.shape
    split = values.reshape(*outer, channels // r**2, r, r, h, w)
    first = len(outer) + 1
    order = (*range(first), first + 2, first, first + 3, first + 1)
    return split.transpose(order).reshape(*outer, channels // r**2, h * r, w * r)
