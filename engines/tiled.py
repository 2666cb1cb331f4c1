"""Tiling of frames that are too large to be computed at once, with bit-identical results.

A cell of the output depends on the cells within the network's receptive field. A tile is computed with that much of the
frame around it, and only its own cells are kept. At the frame's borders nothing lies beyond, tiled or not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sr4k.engines.base import Cells, Engine, EngineSpec, Plane
from sr4k.models import catalogue
from sr4k.models.geometry import CELL, MARGIN, padded_chroma, padded_luma

MOST_AT_ONCE = 4096 * 2304
"""Pixels of the largest frame that is computed without tiles."""

_SIDE = (540, 960)
"""Approximate rows and columns of a tile, in cells: 1920x1080 pixels."""


def is_too_large(spec: EngineSpec) -> bool:
    """Whether frames are tiled: they are too large, and the network's receptive field is bounded."""
    return spec.height * spec.width > MOST_AT_ONCE and catalogue.figures(spec.model).receptive_field is not None


@dataclass(frozen=True, slots=True)
class _Cut:
    """A length in cells, cut into boxes of equal size: each is a part of the output with its surroundings."""

    length: int
    part: int
    around: int

    @property
    def box(self) -> int:
        return min(self.length, self.part + 2 * self.around)

    @property
    def parts(self) -> list[tuple[int, int]]:
        """Start of each part, and of its box."""
        starts = range(0, self.length, self.part)
        return [(start, min(max(0, start - self.around), self.length - self.box)) for start in starts]


class TiledEngine(Engine):
    """An engine that computes a frame tile by tile: it needs the memory of one tile and of one result.

    Args:
        make: makes the engine that computes tiles, from the spec of a tile.
        spec: of the whole frame.
        side: approximate rows and columns of a tile, in cells.
    """

    precisions = ("auto", "int8", "fp16", "fp32")
    has_devices = True

    def __init__(self, make: Callable[[EngineSpec], Engine], spec: EngineSpec, side: tuple[int, int] = _SIDE) -> None:
        super().__init__(spec)
        reach = catalogue.figures(spec.model).receptive_field
        assert reach is not None, "its receptive field is the whole frame"
        around = max(0, -(-reach // CELL) - 1 - MARGIN)  # beyond the margin of each frame
        self._rows, self._columns = (
            _Cut(length, -(-length // max(1, round(length / about))), around)
            for length, about in zip((spec.height // CELL, spec.width // CELL), side, strict=True)
        )
        self._tile = make(replace(spec, height=CELL * self._rows.box, width=CELL * self._columns.box))
        self.follows_quality = self._tile.follows_quality
        self._corners = [(row, column) for row in self._rows.parts for column in self._columns.parts]

    def activate_impl(self) -> None:
        self._output = tuple(np.empty(shape, self.spec.output_dtype) for shape in self.spec.result_shapes)
        self._tile.activate()

    def deactivate_impl(self) -> None:
        self._tile.deactivate()

    def submit_impl(self, planes: Sequence[Plane]) -> None:
        self._planes, self._begun = planes, 0
        self._held: list[list[Plane]] = []  # inputs of tiles in flight, which must not change
        self._begin()

    def result_impl(self) -> Cells:
        for (top, box_top), (left, box_left) in self._corners:
            self._begin()
            tile = self._tile.result()
            rows = min(self._rows.part, self._rows.length - top)
            columns = min(self._columns.part, self._columns.length - left)
            first_row, first_column = MARGIN + top - box_top, MARGIN + left - box_left
            for output, cells in zip(self._output, tile, strict=True):
                np.copyto(
                    output[MARGIN + top : MARGIN + top + rows, MARGIN + left : MARGIN + left + columns],
                    cells[first_row : first_row + rows, first_column : first_column + columns],
                )
            self._held.pop(0)
        return self._output

    def describe(self) -> dict[str, Any]:
        about = self._tile.describe()
        tiles = len(self._corners)
        return {**about, "macs": tiles * about["macs"], "tiles": tiles}

    def _begin(self) -> None:
        """Submit as many tiles as the engine takes."""
        while self._begun < len(self._corners) and self._tile.pending < self._tile.in_flight:
            (_, top), (_, left) = self._corners[self._begun]
            self._held.append([self._cut(plane, top, left) for plane in self._planes])
            self._tile.submit(self._held[-1])
            self._begun += 1

    def _cut(self, plane: Plane, top: int, left: int) -> Plane:
        """Return a tile's part of a padded plane: 4:2:0 chroma has one sample a cell, other planes ``CELL`` a side."""
        height, width = CELL * self._rows.box, CELL * self._columns.box
        colour = self.spec.colour
        is_small = colour is not None and colour.sampling == "420" and plane.ndim == 3
        rows, columns = padded_chroma(height, width) if is_small else padded_luma(height, width)
        side = 1 if is_small else CELL
        return np.ascontiguousarray(plane[..., side * top : side * top + rows, side * left : side * left + columns])
