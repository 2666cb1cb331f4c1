"""Draw a number into a picture so that it can be read back after compression and upscaling."""

import numpy as np
from numpy.typing import NDArray

BITS = 16
"""Bits of the number. Their cells divide the width of the picture equally."""

_CONTRAST = 60
"""Minimum difference of a cell from its inverse below, in 8-bit levels."""


def draw(luma: NDArray[np.uint8], number: int) -> None:
    """Write ``number`` into the upper rows of a Y plane (H, W), black and white, and its inverse below."""
    width = luma.shape[1]
    cell = width // BITS
    bits = (number >> (np.arange(width) * BITS // width) & 1).astype(bool)
    luma[:cell] = np.where(bits, 235, 16)
    luma[cell : 2 * cell] = np.where(bits, 16, 235)


def read(luma: NDArray[np.uint8]) -> int | None:
    """Return the number in a Y plane (H, W), or ``None`` if it can't be read."""
    cell = luma.shape[1] / BITS  # in an upscaled picture not a whole number of pixels
    upper, lower = (_cells(luma[round(row * cell) : round((row + 0.5) * cell)], cell) for row in (0.25, 1.25))
    if (np.abs(upper - lower) < _CONTRAST).any():
        return None
    return int(((upper > lower).astype(int) << np.arange(BITS)).sum())


def _cells(rows: NDArray[np.uint8], cell: float) -> NDArray[np.float64]:
    """Return the mean of each cell without its edges, which compression smears."""
    return np.array([rows[:, round((k + 0.25) * cell) : round((k + 0.75) * cell)].mean() for k in range(BITS)])
