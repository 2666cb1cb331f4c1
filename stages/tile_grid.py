"""The tiles that a picture is compared in, and the samples and cells that belong to each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.models.colour import Sampling
from sr4k.models.geometry import CELL, CHROMA_PAD, PAD_BEFORE, padded_chroma, padded_luma
from sr4k.pipeline.frame import Plane
from sr4k.stages.shift_search import Shift

SIDE = (30, 64)
"""Approximate rows and columns of a tile in cells: small enough to follow motion, large enough for cheap margins."""

_KEPT = 8
"""For how many shifts and row steps it is remembered what to compare."""

Box = tuple[slice, slice]
"""Rows and columns."""


@dataclass(frozen=True, slots=True)
class _Sampled:
    """How a plane lies over the cells: samples a cell, samples of its margin before the first cell, and a tile's size.

    The size is in samples and includes the margin on both sides.
    """

    cell: int
    pad: int
    tile: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Overlap:
    """What of a plane is compared with an earlier one: the same part of both, and where tiles begin and end in it."""

    here: Box
    there: Box
    tops: NDArray[np.intp]
    ends: NDArray[np.intp]
    lefts: NDArray[np.intp]
    rights: NDArray[np.intp]


class TileGrid:
    """Tiles of equal size that cover a picture; those of the last row and column may overlap the ones before.

    Attributes:
        side: rows and columns of a tile, in cells.
        samples_a_cell: how many samples of luma, and of chroma, are in a row of a cell.

    Args:
        cells: rows and columns of the picture, in cells.
        cut: whether there is more than one tile.
        sampling: of the picture's chroma.
    """

    def __init__(self, cells: tuple[int, int], cut: bool, sampling: Sampling) -> None:
        rows, columns = (_cut(length, side) if cut else length for length, side in zip(cells, SIDE, strict=True))
        self._cells, self.side = cells, (rows, columns)
        self._tops, self._lefts = _starts(cells[0], rows), _starts(cells[1], columns)
        size = (CELL * rows, CELL * columns)
        luma = _Sampled(CELL, PAD_BEFORE, padded_luma(*size))
        self._planes = (luma, _Sampled(1, CHROMA_PAD, padded_chroma(*size)) if sampling == "420" else luma)
        self.samples_a_cell = tuple(lying.cell for lying in self._planes)
        self._overlaps_at = lru_cache(_KEPT)(self._find_overlaps)

    def __len__(self) -> int:
        return len(self._tops) * len(self._lefts)

    def differing(
        self, planes: Sequence[Plane], known: Sequence[Plane], shift: Shift, step: int, tolerance: int
    ) -> NDArray[np.bool_]:
        """Return for each tile whether it differs, with its margin, from what lies ``shift`` away in the known planes.

        Args:
            planes: padded luma (H, W) and chroma (2, h, w).
            known: the same of an earlier picture.
            shift: by whole cells.
            step: only every so many rows are compared.
            tolerance: difference up to which samples count as equal.

        Returns:
            Shape (tiles,). A tile whose counterpart is not wholly inside the earlier picture differs.
        """
        found, overlaps = self._overlaps_at(shift, step, planes[0].shape, planes[1].shape[1:])
        (luma, chroma), (known_luma, known_chroma) = planes, known
        pairs = ((luma, known_luma), *zip(chroma, known_chroma, strict=True))
        for (now, before), overlap in zip(pairs, (overlaps[0], overlaps[1], overlaps[1]), strict=True):
            difference = cv2.absdiff(now[overlap.here], before[overlap.there])
            if tolerance or difference.dtype != np.uint8:
                difference = (difference > tolerance).view(np.uint8)
            sums = cv2.integral(difference)
            inside = sums[overlap.ends] - sums[overlap.tops]
            found = found | (inside[:, overlap.rights] > inside[:, overlap.lefts])
        return found.ravel()

    def have_source(self, shift: Shift) -> NDArray[np.bool_]:
        """Return for each row and column of tiles whether all of what lies ``shift`` away is inside the picture."""
        rows, columns = (
            (starts + by // CELL >= 0) & (starts + by // CELL + side <= length)
            for starts, by, side, length in zip((self._tops, self._lefts), shift, self.side, self._cells, strict=True)
        )
        return rows[:, None] & columns

    def _find_overlaps(
        self, shift: Shift, step: int, *shapes: tuple[int, int]
    ) -> tuple[NDArray[np.bool_], tuple[_Overlap, ...]]:
        """Return which tiles have no counterpart, and what to compare of padded luma and chroma of these shapes."""
        overlaps = (self._overlap(lying, shape, shift, step) for lying, shape in zip(self._planes, shapes, strict=True))
        return ~self.have_source(shift), tuple(overlaps)

    def _overlap(self, lying: _Sampled, shape: tuple[int, int], shift: Shift, step: int) -> _Overlap:
        axes = []
        for starts, side, length, distance, every in zip(
            (self._tops, self._lefts), lying.tile, shape, shift, (step, 1), strict=True
        ):
            by = distance * lying.cell // CELL
            first, count = max(0, -by), length - abs(by)
            here, there = (slice(at, at + count, every) for at in (first, first + by))
            edges = lying.cell * starts - first
            begins, ends = (np.clip(-(-edge // every), 0, -(-count // every)) for edge in (edges, edges + side))
            axes.append((here, there, begins, ends))
        rows, columns = axes
        return _Overlap((rows[0], columns[0]), (rows[1], columns[1]), *rows[2:], *columns[2:])

    def cells_of(self, tile: int) -> Box:
        """Return the cells of a tile."""
        top, left = self._corner(tile)
        return slice(top, top + self.side[0]), slice(left, left + self.side[1])

    def inputs_of(self, tile: int) -> Iterator[Box]:
        """Yield which part of padded luma, and of padded chroma, a tile depends on."""
        top, left = self._corner(tile)
        for lying in self._planes:
            rows, columns = (
                slice(lying.cell * start, lying.cell * start + length)
                for start, length in zip((top, left), lying.tile, strict=True)
            )
            yield rows, columns

    def samples_of(self, cells: Box) -> Iterator[Box]:
        """Yield which part of padded luma, and of padded chroma, lies over cells: also beyond, at the border."""
        for lying in self._planes:
            rows, columns = (
                slice(
                    lying.pad + lying.cell * part.start if part.start else 0,
                    lying.pad + lying.cell * part.stop if part.stop < length else None,
                )
                for part, length in zip(cells, self._cells, strict=True)
            )
            yield rows, columns

    def boxes(self, tiles: Iterable[int], shift: Shift) -> Iterator[Box]:
        """Yield the cells of tiles, each once, as boxes in an order in which they may be moved in place.

        Args:
            tiles: which.
            shift: where the new content of each cell comes from.
        """
        chosen = np.zeros((len(self._tops), len(self._lefts)), bool)
        chosen.ravel()[list(tiles)] = True
        edges = sorted({*self._tops.tolist(), *(self._tops + self.side[0]).tolist()})
        bands = list(pairwise(edges))
        for top, end in bands if shift.down >= 0 else reversed(bands):
            covering = (self._tops <= top) & (self._tops + self.side[0] >= end)
            covered = np.zeros(self._cells[1] + 2, np.int8)
            for left in self._lefts[chosen[covering].any(axis=0)]:
                covered[1 + left : 1 + left + self.side[1]] = 1
            changes = np.flatnonzero(np.diff(covered)).reshape(-1, 2).tolist()
            for left, right in changes if shift.right >= 0 else reversed(changes):
                yield slice(top, end), slice(left, right)

    def _corner(self, tile: int) -> tuple[int, int]:
        """Return the first row and column of a tile, in cells."""
        row, column = divmod(tile, len(self._lefts))
        return int(self._tops[row]), int(self._lefts[column])


def _cut(length: int, side: int) -> int:
    """Return the side, close to ``side``, of equal tiles that cover ``length``."""
    return -(-length // max(1, round(length / side)))


def _starts(length: int, side: int) -> NDArray[np.intp]:
    """Return where tiles start; the last one ends at ``length`` and may overlap the one before."""
    return np.minimum(np.arange(0, length, side), length - side)
