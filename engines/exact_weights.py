"""The fixed kernels of the luma networks as integers, which kernels on GPUs compute with exactly."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

PAIR_UNIT = 16384
"""Denominator of weights that are pairs of int8: a high part times 128 plus a low part."""

CHROMA_UNIT = 1024
"""Denominator of the weights along one axis of the chroma's bicubic."""


def as_pairs(kernel: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the high and the low int8 part, as whole floats, of weights over `PAIR_UNIT`.

    Raises:
        ValueError: a weight isn't such a number.
    """
    whole = np.rint(kernel * PAIR_UNIT)
    low = (whole + 64) % 128 - 64
    high = (whole - low) / 128
    if np.abs(kernel * PAIR_UNIT - whole).max() > 1e-6 or np.abs(high).max() > 127:
        raise ValueError(f"the weights are not integers over {PAIR_UNIT}")
    return high, low


def chroma_factors(kernel: NDArray[Any]) -> NDArray[np.int32]:
    """Return the factors (2, 2, taps) of kernels (8, taps, taps): along columns and along rows, for either sample.

    They are integers over `CHROMA_UNIT`; those along columns come first, and the four kernels of U equal those of V.

    Raises:
        ValueError: the kernels are not such products.
    """
    u = kernel[:4].reshape(2, 2, *kernel.shape[1:])
    rows, columns = u[:, 0].sum(axis=2), u[0].sum(axis=1)  # the taps along an axis add up to 1
    whole = np.rint(np.stack([rows, columns]) * CHROMA_UNIT)
    product = np.einsum("ay,bx->abyx", *whole / CHROMA_UNIT).reshape(4, *kernel.shape[1:])
    if np.abs(np.tile(product, (2, 1, 1)) - kernel).max() > 1e-9:
        raise ValueError(f"the chroma's weights are not products of integers over {CHROMA_UNIT}")
    return np.asarray(whole, np.int32)
