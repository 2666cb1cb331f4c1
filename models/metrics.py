"""Measures of picture quality."""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.generic]


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Y of BT.601 YCbCr, limited range 16..235, not rounded, from uint8 RGB (H, W, 3)."""
    r, g, b = (rgb[..., k].astype(np.float64) for k in range(3))
    return 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255


def psnr(a: Samples, b: Samples) -> float:
    """Peak signal-to-noise ratio in dB of two arrays of one shape, peak 255; infinite when they are equal."""
    mse = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return float("inf") if mse == 0 else 10 * float(np.log10(255**2 / mse))


def ssim(a: Samples, b: Samples) -> float:
    """Structural similarity (Wang et al., IEEE TIP 13(4), 2004) of (H, W) or (H, W, 3), peak 255.

    An 11x11 Gaussian of 1.5 pixels, whole windows only, the mean over the channels. Needs scikit-image.
    """
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            a.astype(np.float32),
            b.astype(np.float32),
            data_range=255,
            channel_axis=2 if a.ndim == 3 else None,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def without_border(picture: Samples, border: int) -> Samples:
    """The picture less ``border`` pixels on every side."""
    return picture[border:-border, border:-border]
