"""Luma as cells: the input that backends with channels-last feature maps read fastest.

A convolution of stride 2 that reads one channel uses little of what such a backend can do at once. On cells it is one
of stride 1 that reads four channels. The cells of a padded plane begin one row above it and one column to its left, so
that the bicubic covers whole cells.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr4k.models.architecture import LumaShape
from sr4k.models.folded_network import Conv, FoldedNetwork
from sr4k.models.geometry import CELL, padded_luma

CHANNELS = CELL * CELL


def reads_cells(network: FoldedNetwork) -> bool:
    """Whether all that reads luma in a network can read it as cells."""
    return network.yuv and isinstance(network.arch, LumaShape) and network.arch.stride == CELL


def cells_shape(height: int, width: int) -> tuple[int, int, int]:
    """Return the shape of the cells of a padded plane, for pictures of ``height`` x ``width`` pixels, both even."""
    rows, columns = ((side + 1) // CELL for side in padded_luma(height, width))
    return rows, columns, CHANNELS


def write_cells(plane: NDArray[Any], cells: NDArray[Any]) -> None:
    """Write a padded plane to its cells, of the same dtype; the row and column of pixels before it are 0.

    Args:
        plane: luma (H + 21, W + 21); each row is contiguous.
        cells: contiguous, of the shape `cells_shape`.
    """
    pairs = cells.view(f"u{2 * cells.itemsize}")  # two neighbours of a row move at once
    for below in (0, 1):
        rows, first = plane[1 - below :: 2], 1 - below
        pairs[first:, 1:, below] = rows[:, 1:].view(pairs.dtype)
        cells[first:, 0, 2 * below + 1] = rows[:, 0]
    cells[0, :, :CELL] = cells[:, 0, ::CELL] = 0


def on_cells(conv: Conv) -> Conv:
    """Return a convolution of stride 2 on a padded luma plane as one of stride 1 on its cells, with equal outputs."""
    top, left, bottom, right = conv.pads
    height, width = conv.kernel.shape[2:]
    upper, lower, first_row, rows = _placed(height, top, bottom)
    before, after, first_column, columns = _placed(width, left, right)
    kernel = np.zeros((len(conv.kernel), rows * CELL, columns * CELL), conv.kernel.dtype)
    kernel[:, first_row : first_row + height, first_column : first_column + width] = conv.kernel[:, 0]
    split = kernel.reshape(-1, rows, CELL, columns, CELL).transpose(0, 2, 4, 1, 3).reshape(-1, CHANNELS, rows, columns)
    return replace(conv, kernel=split, stride=1, pads=(upper, before, lower, after))


def _placed(taps: int, before: int, after: int) -> tuple[int, int, int, int]:
    """Return how taps with zero padding lie on cells along one axis.

    Returns:
        Padding in cells before and after, the position of the first tap in its cell, and the number of cells.
    """
    cell, first = divmod(1 - before, CELL)
    cells = -(-(first + taps) // CELL)
    outputs = (1 + before + after - taps) // CELL  # more than there are pairs of pixels in the plane, an odd number
    return -cell, outputs + cells - 1 + cell, first, cells
