"""Metrics of picture quality: PSNR and SSIM, and the luma and chroma that they are computed on."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2

Samples = NDArray[np.generic]

WINDOW = 11
"""Side of the window of `ssim`, in pixels: pictures that are smaller have none."""


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return Y of BT.601 YCbCr (H, W), limited range 16..235, not rounded, of uint8 RGB (H, W, 3)."""
    r, g, b = (rgb[..., k].astype(np.float64) for k in range(3))
    return 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255


def chroma(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return Cb and Cr of BT.601 (H, W, 2), limited range 16..240, not rounded, of uint8 RGB (H, W, 3).

    That of gray is 128 exactly.
    """
    r, g, b = (rgb[..., k].astype(np.float64) for k in range(3))
    cb = 128 + (112 * (b - g) - 37.797 * (r - g)) / 255
    cr = 128 + (112 * (r - g) - 18.214 * (b - g)) / 255
    return np.stack([cb, cr], axis=2)


def psnr(a: Samples, b: Samples) -> float:
    """Return the PSNR in dB of two arrays of one shape, with peak 255; infinite if they are equal."""
    mse = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return float("inf") if mse == 0 else 10 * float(np.log10(255**2 / mse))


def mean_psnr(values: Iterable[float]) -> float:
    """Return the mean of PSNRs in dB without those of equal pictures, which are infinite; infinite if all are."""
    return float(np.mean([value for value in values if np.isfinite(value)] or [np.inf]))


def ssim(a: Samples, b: Samples) -> float:
    """Return the structural similarity (Wang et al., IEEE TIP 13(4), 2004) of (H, W) or (H, W, 3), with peak 255.

    The window is an 11x11 Gaussian of 1.5 pixels; windows that cross the border are left out; channels are averaged.
    Pictures have at least `WINDOW` rows and columns.
    """
    x, y = (picture.astype(np.float32) for picture in (a, b))
    mean_x, mean_y = _local_mean(x), _local_mean(y)
    var_x, var_y = _local_mean(x * x) - mean_x**2, _local_mean(y * y) - mean_y**2
    covariance = _local_mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similar = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float(np.mean(similar / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)), dtype=np.float64))


def _local_mean(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(without_border(cv2.GaussianBlur(x, (WINDOW, WINDOW), 1.5), WINDOW // 2), np.float32)


def without_border(picture: Samples, border: int) -> Samples:
    """Return a view of the picture without ``border`` pixels on every side."""
    return picture[border : picture.shape[0] - border, border : picture.shape[1] - border]
