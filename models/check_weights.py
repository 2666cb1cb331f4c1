"""Checks that weights fit a network and hold plausible values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr4k.errors import OptionError
from sr4k.models.architecture import Architecture

_LISTED = 6
"""Number of differences that an error lists; the others are counted."""

_MOST = 1e6
"""Larger than any value in a network trained on pictures; the largest known are mean colours, in the hundreds."""

_ROOM = 1 << 20
"""Bytes that a file may hold besides its tensors."""


def check_size(path: Path, name: str, arch: Architecture) -> None:
    """Check the size of a weights file before it is read. A missing file passes.

    Raises:
        OptionError: the file is far too large for the network's parameters.
    """
    if path.is_file() and path.stat().st_size > _ROOM + 2 * np.dtype(np.float64).itemsize * arch.parameters():
        raise OptionError(f"{path} does not fit {name}: it is far too large for {arch.parameters()} parameters.")


def check_values(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Check that the values of tensors can be the result of training.

    Raises:
        OptionError: a tensor doesn't hold floating-point numbers, or holds values that are not finite or far too large;
            or all kernels are 0.
    """
    for key, array in tensors.items():
        if not np.issubdtype(array.dtype, np.floating):
            raise OptionError(f"{path} is damaged, or of another kind: {key} holds {array.dtype}, not floats.")
        if not np.isfinite(array).all():
            raise OptionError(f"{path} is damaged: {key} holds values that are not finite.")
        largest = float(np.abs(array).max(initial=0.0))
        if largest > _MOST:
            raise OptionError(f"{path} is damaged: {key} holds values as large as {largest:.3g}.")
    kernels = [array for key, array in tensors.items() if key.endswith(".weight")]
    if kernels and not any(np.count_nonzero(kernel) for kernel in kernels):
        raise OptionError(f"{path} is damaged: all its weights are 0.")


def check_fit(path: Path, name: str, arch: Architecture, found: Mapping[str, tuple[int, ...]]) -> None:
    """Compare the shapes of the tensors in a file, ``found``, with those of a network.

    Raises:
        OptionError: they differ; the message names keys and shapes.
    """
    if words := differences(arch.shapes(), found):
        raise OptionError(f"{path} does not fit {name}: {words}.")


def differences(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> str:
    """Return how the shapes of tensors differ from those that a network has, in words; none if they don't."""
    wrong = [f"{k} is {found[k]}, not {expected[k]}" for k in expected if k in found and found[k] != expected[k]]
    missing = [f"{key} is missing" for key in expected if key not in found]
    unknown = [f"{key} is not known" for key in found if key not in expected]
    every = wrong + missing + unknown
    return "; ".join(every[:_LISTED]) + (f" and {len(every) - _LISTED} more" if len(every) > _LISTED else "")
