"""The geometry of planes and cells: how a picture is padded for a network, and how its output becomes pixels again.

A network works on *cells* of 2x2 input pixels, each of which gives 4x4 output pixels. A picture is padded by
replication, by ``PAD_BEFORE`` and ``PAD_AFTER`` luma pixels: the head then needs no zeros. The body works on ``MARGIN``
more cells than the picture has on each side, at least as far as the tail reaches, and the output of those cells is cut.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr4k.models.colour import Sampling

SCALE = 2
"""The networks of the pipeline double width and height."""

CELL = 2
"""Input pixels on the side of a cell: the head's stride."""

CELL_OUT = CELL * SCALE
"""Output pixels on the side of a cell: the factor of the PixelShuffle."""

MARGIN = 5
"""Cells around the picture that the body computes and the output drops: as far as a luma network's layers see."""

PAD_BEFORE = CELL * MARGIN + 1
"""Luma pixels of replication above and to the left: the margin and the head's reach."""

PAD_AFTER = CELL * MARGIN
"""Luma pixels of replication below and to the right."""

CHROMA_PAD = MARGIN + 1
"""Chroma samples of replication on every side."""


def pad_planes(luma: NDArray[Any], chroma: NDArray[Any]) -> list[NDArray[Any]]:
    """Planes (H, W) and (2, H/2, W/2), or (2, H, W), with their borders replicated as an engine takes them."""
    around = (PAD_BEFORE, PAD_AFTER)
    beside = (CHROMA_PAD, CHROMA_PAD) if is_subsampled(luma, chroma) else around
    return [
        np.ascontiguousarray(np.pad(luma, (around, around), mode="edge")),
        np.ascontiguousarray(np.pad(chroma, ((0, 0), beside, beside), mode="edge")),
    ]


def is_subsampled(luma: Any, chroma: Any) -> bool:
    """Whether planes (H, W) and (2, h, w), padded or not, are 4:2:0, and not 4:4:4."""
    return bool(chroma.shape[1:] != luma.shape)


def padded_luma(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of a padded luma plane, or of each plane of RGB."""
    return height + PAD_BEFORE + PAD_AFTER, width + PAD_BEFORE + PAD_AFTER


def padded_chroma(height: int, width: int, sampling: Sampling = "420") -> tuple[int, int]:
    """Rows and columns of each padded chroma plane of a picture of ``height`` x ``width``."""
    if sampling == "444":
        return padded_luma(height, width)
    return height // 2 + 2 * CHROMA_PAD, width // 2 + 2 * CHROMA_PAD


def pixel_shuffle(values: NDArray[Any], r: int) -> NDArray[Any]:
    """PixelShuffle (arXiv 1609.05158): (..., c r r, h, w) to (..., c, h r, w r), of the same dtype, in new memory.

    For networks' outputs that are looked at or folded. Each stage that makes pictures for a video has its own form of
    it, which writes where the picture is to be: `sr4k.stages.reconstruct.shuffle` and `sr4k.engines.on_gpu.nv12_of`.
    """
    *outer, channels, h, w = values.shape
    split = values.reshape(*outer, channels // r**2, r, r, h, w)
    first = len(outer) + 1
    order = (*range(first), first + 2, first, first + 3, first + 1)
    return split.transpose(order).reshape(*outer, channels // r**2, h * r, w * r)
