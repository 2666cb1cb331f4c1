"""A number drawn into a picture so that it can be read again after coding and enlarging."""

import numpy as np
from numpy.typing import NDArray

BITS = 16
"""Of the number. As wide as the picture: a cell for each."""

_CONTRAST = 60
"""Levels by which a cell must differ from its inverse below, to be believed."""


def draw(luma: NDArray[np.uint8], number: int) -> None:
    """Write ``number`` into the upper rows of a Y plane (H, W), black and white, and its inverse below."""
    cell = luma.shape[1] // BITS
    bits = (number >> np.arange(BITS) & 1).astype(bool).repeat(cell)
    luma[:cell, : cell * BITS] = np.where(bits, 235, 16)
    luma[cell : 2 * cell, : cell * BITS] = np.where(bits, 16, 235)


def read(luma: NDArray[np.uint8]) -> int | None:
    """The number, or ``None`` if it can't be read."""
    cell = luma.shape[1] // BITS
    edge = cell // 4  # coding smears the edges
    cells = luma[: 2 * cell, : cell * BITS].reshape(2, cell, BITS, cell)[:, edge:-edge, :, edge:-edge]
    upper, lower = cells.mean(axis=(1, 3))
    if (np.abs(upper - lower) < _CONTRAST).any():
        return None
    return int(((upper > lower).astype(int) << np.arange(BITS)).sum())
