"""MATLAB's ``imresize(..., 'bicubic')``, the downscaler that super-resolution benchmarks are defined by.

Keys' cubic (IEEE TASSP 29(6), 1981) with a = -0.5, widened when shrinking (antialiasing); symmetric borders; rows
before columns; rounded to uint8 after each.
"""

import numpy as np
from numpy.typing import NDArray


def imresize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize a picture, uint8 (H, W) or (H, W, channels), to ``height`` x ``width`` pixels."""
    rows = _resize_rows(image, height)
    return _resize_rows(rows.swapaxes(0, 1), width).swapaxes(0, 1)


def bicubic_taps(positions: NDArray[np.float64], *, first: int, count: int) -> NDArray[np.float64]:
    """Return weights (positions, count) of the samples ``first``, ``first + 1``, ... for cubic interpolation."""
    return cubic(np.arange(first, first + count) - positions[:, None])


def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Keys' cubic with a = -0.5 at distance ``x``, in samples."""
    t = np.abs(x)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t <= 2, far, 0.0))


def _resize_rows(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    length = image.shape[0]
    scale = size / length
    shrink = min(scale, 1.0)
    centre = (np.arange(size) + 0.5) / scale - 0.5
    taps = int(np.ceil(4 / shrink)) + 2
    first = np.floor(centre - 2 / shrink).astype(int)
    index = first[:, None] + np.arange(taps)
    weight = cubic((centre[:, None] - index) * shrink)
    weight /= weight.sum(axis=1, keepdims=True)
    index = np.mod(index, 2 * length)
    index = np.where(index < length, index, 2 * length - 1 - index)
    out = np.zeros((size, *image.shape[1:]), np.float64)
    for k in range(taps):
        out += weight[:, k].reshape(-1, *([1] * (image.ndim - 1))) * image[index[:, k]]
    return np.clip(np.floor(out + 0.5), 0, 255).astype(np.uint8)
