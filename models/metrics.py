"""Picture quality by the super-resolution field's usual protocol."""

import numpy as np
from numpy.typing import NDArray

BORDER = 2
"""Pixels cut from every side before comparing: the scale, as is usual."""


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Y of BT.601 YCbCr, limited range 16..235, not rounded, from uint8 RGB (H, W, 3)."""
    r, g, b = (rgb[..., k].astype(np.float64) for k in range(3))
    return 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255


def psnr(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    """Peak signal-to-noise ratio in dB of two arrays of one shape, peak 255; infinite when they are equal."""
    mse = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return float("inf") if mse == 0 else 10 * float(np.log10(255**2 / mse))


def psnr_y(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """PSNR of the luma of two uint8 RGB pictures (H, W, 3) with the border cut."""
    cut = slice(BORDER, -BORDER)
    return psnr(luma(a)[cut, cut], luma(b)[cut, cut])
