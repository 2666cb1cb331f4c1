"""What did not change since it was last computed need not be computed again.

A picture is cut into tiles. A tile's output depends on its input and the margin around it alone, as far as the network
sees: where all of that is as it was, the output is as it was, bit for bit.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from sr4k.engines import Engine, EngineSpec, create_engine
from sr4k.models import zoo
from sr4k.models.architecture import CELL
from sr4k.models.fold import MARGIN, padded_chroma, padded_luma
from sr4k.pipeline.frame import Plane

_SIDE = (90, 160)
"""Cells of a tile, about: small enough to follow what moves, large enough that margins cost little."""

_MOST = 0.7
"""Share of the tiles above which the whole picture is computed at once: margins and small maps cost more a cell."""


class Reuse:
    """The tiles of one stream of pictures, and the output of the last one that was put together from tiles.

    Args:
        engine: name of the backend.
        spec: of the whole picture, on YUV planes.
        threshold: how much any sample of a tile may differ, 8-bit levels, before the tile is computed again.
    """

    def __init__(self, engine: str, spec: EngineSpec, threshold: int) -> None:
        self._engine_name, self._threshold = engine, threshold
        cells = (spec.height // CELL, spec.width // CELL)
        reach = zoo.architecture(spec.model).receptive_field
        cut = reach is not None and reach <= CELL * (MARGIN + 1)  # else a tile's margin is not all that it depends on
        self._side = tuple(
            _even_cut(length, side) if cut else length for length, side in zip(cells, _SIDE, strict=True)
        )
        self._corners = [
            (top, left) for top in _starts(cells[0], self._side[0]) for left in _starts(cells[1], self._side[1])
        ]
        self._spec = replace(spec, height=CELL * self._side[0], width=CELL * self._side[1])
        self._inputs: list[tuple[Plane, ...]] = []
        self._output = np.empty(spec.output_shape, spec.input_dtype)
        self._engine: Engine | None = None
        self.computed = 0
        self.seen = 0

    def changed(self, planes: Sequence[Plane]) -> list[int]:
        """The tiles to compute: those that differ from what they were computed from, or all where that is quicker.

        They are from now on taken as computed.
        """
        every = list(range(len(self._corners)))
        if not self._inputs:
            self._inputs = [tuple(np.empty_like(part, order="C") for part in self._cut(planes, k)) for k in every]
            found = every
        else:
            found = [k for k, known in enumerate(self._inputs) if self._differs(self._cut(planes, k), known)]
            found = found if len(found) <= _MOST * len(every) else every
        for k in found:
            for known, part in zip(self._inputs[k], self._cut(planes, k), strict=True):
                np.copyto(known, part)
        self.seen += len(every)
        self.computed += len(found)
        return found

    def is_whole(self, tiles: list[int]) -> bool:
        """Whether these tiles are the whole picture."""
        return len(tiles) == len(self._corners)

    def start_from(self, cells: Plane) -> None:
        """Take the sub-pixels of a whole picture, the one before, as what is patched from now on."""
        np.copyto(self._output, cells)

    def patched(self, tiles: list[int]) -> Plane:
        """The sub-pixels of the whole picture, with these tiles computed again; valid until the next call."""
        if tiles and self._engine is None:
            self._engine = create_engine(self._engine_name, self._spec)
            self._engine.__enter__()
        waiting = list(tiles)
        for k in tiles:
            assert self._engine is not None
            while waiting and self._engine.pending < self._engine.in_flight:
                self._engine.submit(self._inputs[waiting.pop(0)])
            self._put(k, self._engine.result())
        return self._output

    def close(self) -> None:
        """Give back the engine of the tiles."""
        if self._engine is not None:
            self._engine.__exit__(None, None, None)

    def _cut(self, planes: Sequence[Plane], tile: int) -> tuple[Plane, ...]:
        """Views of a tile's part of padded luma and chroma, with what is around it."""
        (top, left), luma, chroma = self._corners[tile], *planes
        rows, columns = padded_luma(self._spec.height, self._spec.width)
        small_rows, small_columns = padded_chroma(self._spec.height, self._spec.width)
        return (
            luma[CELL * top : CELL * top + rows, CELL * left : CELL * left + columns],
            chroma[:, top : top + small_rows, left : left + small_columns],
        )

    def _differs(self, parts: tuple[Plane, ...], known: tuple[Plane, ...]) -> bool:
        if self._threshold:
            return any(int(cv2.absdiff(a, b).max()) > self._threshold for a, b in zip(parts, known, strict=True))
        return not all(np.array_equal(a, b) for a, b in zip(parts, known, strict=True))

    def _put(self, tile: int, cells: Plane) -> None:
        top, left = (MARGIN + start for start in self._corners[tile])
        rows, columns = self._side
        self._output[top : top + rows, left : left + columns] = cells[MARGIN:-MARGIN, MARGIN:-MARGIN]


def _even_cut(length: int, side: int) -> int:
    """The side of equal tiles that cover ``length``, close to ``side``."""
    return -(-length // max(1, round(length / side)))


def _starts(length: int, side: int) -> list[int]:
    """Where tiles start; the last ends at the end, and may lie over the one before."""
    return [min(start, length - side) for start in range(0, length, side)]
