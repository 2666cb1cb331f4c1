"""An output of the network, what it was computed from, and both moved in place."""

from collections.abc import Sequence

import numpy as np

from sr4k.engines.base import Cells
from sr4k.models.geometry import CELL, MARGIN
from sr4k.pipeline.frame import Plane
from sr4k.stages.shift_search import Shift
from sr4k.stages.tile_grid import Box, TileGrid


class Memory:
    """The planes that an output was computed from, and the output.

    Attributes:
        known: padded luma (H, W) and chroma (2, h, w).
        output: sub-pixels of the whole picture, a result of an engine, whose margin stays undefined.

    Args:
        grid: tiles of the picture.
        planes: of the first picture.
        shapes: of the planes of the engine's result.
    """

    def __init__(self, grid: TileGrid, planes: Sequence[Plane], shapes: Sequence[tuple[int, ...]]) -> None:
        self._grid = grid
        self.known = tuple(np.array(plane) for plane in planes)
        self.output: Cells = tuple(np.empty(shape, planes[0].dtype) for shape in shapes)

    def learn(self, planes: Sequence[Plane]) -> None:
        """Take over the planes of a picture."""
        for known, plane in zip(self.known, planes, strict=True):
            np.copyto(known, plane)

    def learn_tile(self, planes: Sequence[Plane], tile: int) -> None:
        """Take over what lies over a tile."""
        boxes = self._grid.samples_of(self._grid.cells_of(tile))
        for known, plane, (rows, columns) in zip(self.known, planes, boxes, strict=True):
            np.copyto(known[..., rows, columns], plane[..., rows, columns])

    def move_known(self, tiles: Sequence[int], shift: Shift) -> None:
        """Let what lies over tiles be what lay ``shift`` away."""
        for cells in self._grid.boxes(tiles, shift):
            for known, box, samples in zip(
                self.known, self._grid.samples_of(cells), self._grid.samples_a_cell, strict=True
            ):
                _move(known, box, shift.down // CELL * samples, shift.right // CELL * samples)

    def move_output(self, tiles: Sequence[int], shift: Shift) -> None:
        """Let the output of tiles be what the output was ``shift`` away."""
        for output in self.output:
            inside = np.moveaxis(output[MARGIN:-MARGIN, MARGIN:-MARGIN], 2, 0)
            for cells in self._grid.boxes(tiles, shift):
                _move(inside, cells, shift.down // CELL, shift.right // CELL)

    def inputs_of(self, tile: int) -> list[Plane]:
        """Return copies of the planes that a tile depends on."""
        boxes = self._grid.inputs_of(tile)
        return [known[..., rows, columns].copy() for known, (rows, columns) in zip(self.known, boxes, strict=True)]

    def set_output(self, tile: int, computed: Cells) -> None:
        """Copy the output of a tile with its margin, without it."""
        rows, columns = self._grid.cells_of(tile)
        for output, part in zip(self.output, computed, strict=True):
            np.copyto(output[MARGIN:-MARGIN, MARGIN:-MARGIN][rows, columns], part[MARGIN:-MARGIN, MARGIN:-MARGIN])


def _move(plane: Plane, box: Box, down: int, right: int) -> None:
    """Fill a box of a plane (..., H, W) with what lies that far from it, in place.

    As many rows at once as don't overlap: NumPy moves them without a copy of their own.
    """
    rows, columns = (slice(*part.indices(length)) for part, length in zip(box, plane.shape[-2:], strict=True))
    source = slice(columns.start + right, columns.stop + right)
    step = abs(down) or rows.stop - rows.start
    starts = range(rows.start, rows.stop, step)
    for top in starts if down >= 0 else reversed(starts):
        end = min(top + step, rows.stop)
        plane[..., top:end, columns] = plane[..., top + down : end + down, source]
