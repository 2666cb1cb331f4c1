"""Reuse the output of tiles that did not change since the previous frame.

A tile's output depends only on its input and the margin around it, as far as the receptive field of the network
reaches. If neither changed, the output is the same bit for bit.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.engines import EngineSpec
from sr4k.engines.grades import EngineOfEachGrade
from sr4k.models import zoo
from sr4k.models.geometry import CELL, CHROMA_PAD, MARGIN, PAD_BEFORE, padded_chroma, padded_luma
from sr4k.pipeline.frame import Plane

_SIDE = (60, 96)
"""Approximate rows and columns of a tile in cells: small enough to follow motion, large enough for cheap margins."""

_MOST = 0.5
"""Share of changed tiles above which the whole frame is computed: single tiles cost half as much again."""

_GLANCE = 32
"""Row step of a first, coarse comparison, which is enough if everything moves."""


class Reuse:
    """The tiles of a stream of frames, and the last output that was assembled from them.

    Args:
        engine: name of the backend.
        spec: of the whole frame, on YUV planes.
        threshold: difference in 8-bit levels up to which no sample makes its tile count as changed.
    """

    def __init__(self, engine: str, spec: EngineSpec, threshold: int) -> None:
        assert spec.colour is not None
        self._engine_name, self._threshold = engine, threshold * spec.colour.unit
        self._sampling = spec.colour.sampling
        self._of_chroma = (1, CHROMA_PAD) if self._sampling == "420" else (CELL, PAD_BEFORE)  # a cell, and the margin
        self._known: tuple[Plane, ...] = ()  # what the output was computed from
        cells = (spec.height // CELL, spec.width // CELL)
        reach = zoo.architecture(spec.model).receptive_field
        cut = reach is not None and reach <= CELL * (MARGIN + 1)  # else a tile depends on more than its margin
        rows, columns = (_cut(length, side) if cut else length for length, side in zip(cells, _SIDE, strict=True))
        self._side = (rows, columns)
        self._tops, self._lefts = _starts(cells[0], rows), _starts(cells[1], columns)
        self._spec = replace(spec, height=CELL * rows, width=CELL * columns)
        self._output = np.empty(spec.output_shape, spec.input_dtype)
        self._engines: EngineOfEachGrade | None = None
        self.computed = 0
        self.seen = 0

    def changed(self, planes: Sequence[Plane]) -> list[int]:
        """Return the tiles to compute: those that changed since they were computed, or all if that is faster.

        The caller has to compute them: from now on they count as computed from ``planes``.
        """
        tiles = len(self._tops) * len(self._lefts)
        found = list(range(tiles))
        if self._known:
            for step in (_GLANCE, 1):
                differing = np.flatnonzero(self._differing(planes, step))
                if len(differing) > _MOST * tiles:
                    break
            else:
                found = differing.tolist()
        self._learn(planes, found)
        self.seen += tiles
        self.computed += len(found)
        return found

    def is_whole(self, tiles: list[int]) -> bool:
        """Whether these tiles make up the whole frame."""
        return len(tiles) == len(self._tops) * len(self._lefts)

    def start_from(self, cells: Plane) -> None:
        """Copy the sub-pixels of the previous whole frame as the output to patch."""
        np.copyto(self._output, cells)

    def patched(self, tiles: list[int]) -> Plane:
        """Compute these tiles and return the sub-pixels of the whole frame; valid until the next call.

        Raises:
            EngineError: the engine of the tiles does not start, or fails.
        """
        if tiles and self._engines is None:
            self._engines = EngineOfEachGrade((self._engine_name,), self._spec)
        waiting, held = list(tiles), list[list[Plane]]()
        for tile in tiles:
            assert self._engines is not None
            engine = self._engines.now
            while waiting and engine.pending < engine.in_flight:
                parts = (plane[..., rows, columns] for plane, rows, columns in self._inputs_of(waiting.pop(0)))
                held.append([np.ascontiguousarray(part) for part in parts])  # the engine reads them until it is done
                engine.submit(held[-1])
            top, left = self._corner(tile)
            rows, columns = self._side
            target = self._output[MARGIN + top : MARGIN + top + rows, MARGIN + left : MARGIN + left + columns]
            np.copyto(target, engine.result()[MARGIN:-MARGIN, MARGIN:-MARGIN])
        return self._output

    def start_anew(self, quality: int) -> None:
        """Compute all tiles of the next frame, from now on with the weights for sources of that quality."""
        self._known, self._spec = (), replace(self._spec, quality=quality)
        if self._engines is not None and self._engines.is_other(quality):
            self._engines.follow(quality)

    def close(self) -> None:
        """Release the engines of the tiles."""
        if self._engines is not None:
            self._engines.close()

    def _corner(self, tile: int) -> tuple[int, int]:
        """Return the first row and column of a tile, in cells."""
        row, column = divmod(tile, len(self._lefts))
        return int(self._tops[row]), int(self._lefts[column])

    def _inputs_of(self, tile: int) -> list[tuple[Plane, slice, slice]]:
        """Return known luma and chroma, each with the rows and columns that a tile depends on."""
        top, left = self._corner(tile)
        rows, columns = padded_luma(self._spec.height, self._spec.width)
        small_rows, small_columns = padded_chroma(self._spec.height, self._spec.width, self._sampling)
        luma, chroma = self._known
        cell, _ = self._of_chroma
        return [
            (luma, slice(CELL * top, CELL * top + rows), slice(CELL * left, CELL * left + columns)),
            (chroma, slice(cell * top, cell * top + small_rows), slice(cell * left, cell * left + small_columns)),
        ]

    def _differing(self, planes: Sequence[Plane], step: int) -> NDArray[np.bool_]:
        """Return for each tile whether any sample of every ``step``-th row differs from the known planes."""
        luma, chroma = planes
        known_luma, known_chroma = self._known
        sizes = (
            (CELL, padded_luma(self._spec.height, self._spec.width)),
            *[(self._of_chroma[0], padded_chroma(self._spec.height, self._spec.width, self._sampling))] * 2,
        )
        pairs = ((luma, known_luma), *zip(chroma, known_chroma, strict=True))
        found = np.zeros((len(self._tops), len(self._lefts)), bool)
        for (now, before), (cell, (rows, columns)) in zip(pairs, sizes, strict=True):
            difference = cv2.absdiff(now[::step], before[::step])
            if self._threshold or difference.dtype != np.uint8:
                difference = (difference > self._threshold).view(np.uint8)
            tops, lefts = -(-cell * self._tops // step), cell * self._lefts
            ends = -(-(cell * self._tops + rows) // step)
            sums = cv2.integral(difference)
            inside = sums[ends] - sums[tops]
            found |= inside[:, lefts + columns] > inside[:, lefts]
        return found

    def _learn(self, planes: Sequence[Plane], tiles: list[int]) -> None:
        """Store the planes that tiles are computed from: all of them or, with a threshold, only inside the tiles."""
        if not self._known:
            self._known = tuple(np.array(plane) for plane in planes)
        elif self._threshold and not self.is_whole(tiles):
            for tile in tiles:
                top, left = self._corner(tile)
                for known, plane, (cell, pad) in zip(
                    self._known, planes, ((CELL, PAD_BEFORE), self._of_chroma), strict=True
                ):
                    rows, columns = (
                        slice(pad + cell * start, pad + cell * (start + side))
                        for start, side in zip((top, left), self._side, strict=True)
                    )
                    np.copyto(known[..., rows, columns], plane[..., rows, columns])
        else:
            for known, plane in zip(self._known, planes, strict=True):
                np.copyto(known, plane)


def _cut(length: int, side: int) -> int:
    """Return the side, close to ``side``, of equal tiles that cover ``length``."""
    return -(-length // max(1, round(length / side)))


def _starts(length: int, side: int) -> NDArray[np.intp]:
    """Return where tiles start; the last one ends at ``length`` and may overlap the one before."""
    return np.minimum(np.arange(0, length, side), length - side)
