"""Find by how many whole pixels a picture, or much of it, moved since an earlier one.

A few spots of the picture that changed are looked for around their places in the earlier picture, each by several of
its pixels. The shift at which most of them are found again is a guess: whoever uses it compares all pixels.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.models.geometry import CELL
from sr4k.pipeline.frame import Plane

_ROW_STEP = 32
"""Spots lie on every so many rows: enough to find some in whatever moves, and quick."""

_SPOTS = 6
"""Number of spots that are looked for."""

_ENOUGH = 3
"""Number of spots that must agree: fewer may do so by chance, and a tile or two are not worth a comparison."""

_PIXELS = ((0, 0), (3, 2), (-5, 4), (0, -7), (0, 5), (-3, -2), (5, -4))
"""Rows and columns, from a spot, of the pixels that it is known by: spread, since letters are full of equal pixels."""

_PIXELS_OF_LINES = _PIXELS[:4]
"""Those that it is known by along a line, which has fewer places."""

_REACH = 7
"""The largest of these numbers."""

_FAR = 512
"""Rows that a page, and columns that a picture may move at once, straight on."""

_NEAR = 64
"""Rows and columns that they may move at once in any direction."""


class Shift(NamedTuple):
    """How far it is, in luma pixels, from a place in a picture to where its content was in the earlier one."""

    down: int
    right: int

    @property
    def is_whole_cells(self) -> bool:
        """Whether the networks see the same in the same places of their cells, and chroma moved by whole samples."""
        return self.down % CELL == 0 and self.right % CELL == 0


STILL = Shift(0, 0)


def find_shift(now: Plane, before: Plane, tolerance: int) -> Shift | None:
    """Return the shift at which most of the spots are found; ``None``: no shift is likely.

    Args:
        now: luma (H, W) of 8 or 16 bits.
        before: the same of the earlier picture.
        tolerance: difference up to which pixels count as equal.
    """
    spots = _changed_spots(now, before, tolerance)
    if len(spots) < _ENOUGH:
        return None
    best, most = None, _ENOUGH - 1
    for reach in ((_NEAR, _NEAR), (_FAR, 0), (0, _FAR)):
        votes = _votes(now, before, spots[::2], tolerance, reach)
        if not votes.any():
            continue  # noise, as of a camera: half of the spots are enough to see it
        votes += _votes(now, before, spots[1::2], tolerance, reach)
        if votes.max() > most:
            most = int(votes.max())
            best = _shortest(votes == most, reach)
            if most >= len(spots) - 1:
                break
    return best


def _changed_spots(now: Plane, before: Plane, tolerance: int) -> list[tuple[int, int]]:
    """Return rows and columns of pixels that changed much, from all of the picture."""
    inner = slice(_REACH, -_REACH)
    difference = cv2.absdiff(now[inner, inner][::_ROW_STEP], before[inner, inner][::_ROW_STEP])
    strong = np.flatnonzero(difference > max(tolerance, int(difference.max()) // 2))
    chosen = strong[np.linspace(0, len(strong) - 1, min(len(strong), _SPOTS)).astype(int)]
    rows, columns = np.unravel_index(chosen, difference.shape)
    return [(_REACH + _ROW_STEP * int(row), _REACH + int(column)) for row, column in zip(rows, columns, strict=True)]


def _votes(
    now: Plane, before: Plane, spots: list[tuple[int, int]], tolerance: int, reach: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return for each shift within ``reach`` (rows, columns) how many spots are found at it."""
    votes = np.zeros((2 * reach[0] + 1, 2 * reach[1] + 1), np.uint8)
    for row, column in spots:
        top, bottom = _window(row, reach[0], now.shape[0])
        left, right = _window(column, reach[1], now.shape[1])
        around = before[top - _REACH : bottom + _REACH, left - _REACH : right + _REACH]
        if not reach[1]:
            around = np.asfortranarray(around)  # its columns are read, each in one piece
        found: Any = None
        for down, beside in _PIXELS if all(reach) else _PIXELS_OF_LINES:
            value = int(now[row + down, column + beside])
            first = (_REACH + down, _REACH + beside)
            part = around[first[0] : first[0] + bottom - top, first[1] : first[1] + right - left]
            equal = cv2.inRange(part if reach[1] else part[:, 0], value - tolerance, value + tolerance)
            found = equal if found is None else cv2.bitwise_and(found, equal, dst=found)
        first = (top - row + reach[0], left - column + reach[1])
        part = votes[first[0] : first[0] + bottom - top, first[1] : first[1] + right - left]
        part += found.reshape(part.shape) & 1
    return votes


def _window(at: int, reach: int, length: int) -> tuple[int, int]:
    """Return where the rows or columns begin and end that a spot is looked for in."""
    return max(_REACH, at - reach), min(length - _REACH, at + reach + 1)


def _shortest(candidates: NDArray[np.bool_], reach: tuple[int, int]) -> Shift:
    """Return one of several shifts that are equally likely: one by whole cells, and of these the shortest."""
    rows, columns = np.nonzero(candidates)
    downs, rights = rows - reach[0], columns - reach[1]
    best = np.lexsort((np.abs(downs) + np.abs(rights), (downs | rights) % CELL))[0]
    return Shift(int(downs[best]), int(rights[best]))
