"""Parts of three photographs, 160x160 pixels each, to compare networks on: ``photographs.jpg``.

From left to right: the astronaut Eileen Collins (NASA, in the public domain), a cat (Stéfan van der Walt, CC0-1.0) and
a cup on a wooden table (Rachel Michetti, CC0-1.0). scikit-image has all of them.
"""

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2

SIDE = 160
"""Rows and columns of each part."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def photograph(number: int, channels: int, rows: int, columns: int) -> NDArray[np.float32]:
    """Return the inner part of a photograph, (channels, rows, columns), 0 to 1.

    Args:
        number: 0 to 2, from left to right.
        channels: 3 for RGB, 1 for luma.
        rows, columns: at most `SIDE`.
    """
    top, left = (SIDE - rows) // 2, number * SIDE + (SIDE - columns) // 2
    part = _all()[top : top + rows, left : left + columns]
    part = part if channels == 3 else (part @ _LUMA)[..., None]
    return part.transpose(2, 0, 1).astype(np.float32, order="C")


@cache
def _all() -> NDArray[np.float32]:
    """Return all photographs side by side, RGB from 0 to 1."""
    packed = np.frombuffer(files("sr4k.models.foreign").joinpath("photographs.jpg").read_bytes(), np.uint8)
    decoded = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    assert decoded is not None, "it ships with the package"
    return np.asarray(decoded[..., ::-1] / 255, np.float32)
