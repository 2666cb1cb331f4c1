"""Outputs and what they were computed from are moved in place as if from a copy."""

import numpy as np
import pytest

from sr4k.engines.base import joined
from sr4k.models.colour import Sampling
from sr4k.models.geometry import CELL, MARGIN, padded_chroma, padded_luma
from sr4k.stages.reuse_memory import Memory
from sr4k.stages.shift_search import Shift
from sr4k.stages.tile_grid import TileGrid

CELLS = (100, 330)  # three by five tiles, of which the last ones lie over those before


def memory(sampling: Sampling) -> tuple[TileGrid, Memory]:
    numbers, size = np.random.default_rng(0), tuple(CELL * length for length in CELLS)
    grid = TileGrid(CELLS, True, sampling)
    shapes = padded_luma(*size), (2, *padded_chroma(*size, sampling))
    outputs = (110, 340, 16), (110, 340, 8)
    made = Memory(grid, [numbers.integers(0, 256, shape, np.uint8) for shape in shapes], outputs)
    for output in made.output:
        output[:] = numbers.integers(0, 256, output.shape)
    return grid, made


@pytest.mark.parametrize("sampling", ["420", "444"])
@pytest.mark.parametrize(
    "shift", [(2, 0), (-2, 0), (0, 6), (0, -6), (60, 0), (-60, 0), (0, 150), (0, -150), (4, -300), (-8, 2)]
)
def test_any_tiles_are_moved_from_where_they_were(sampling: Sampling, shift: tuple[int, int]) -> None:
    numbers = np.random.default_rng(1)
    for _ in range(8):
        grid, made = memory(sampling)
        before = [joined(made.output), *(plane.copy() for plane in made.known)]
        inside = np.flatnonzero(grid.have_source(Shift(*shift))).tolist()
        chosen = [tile for tile in inside if numbers.random() < 0.6]
        made.move_output(chosen, Shift(*shift))
        made.move_known(chosen, Shift(*shift))
        output, luma, chroma = (plane.copy() for plane in before)
        down, right = (by // CELL for by in shift)
        for tile in chosen:
            rows, columns = grid.cells_of(tile)
            source = moved(rows, MARGIN + down), moved(columns, MARGIN + right)
            output[moved(rows, MARGIN), moved(columns, MARGIN)] = before[0][source]
            for plane, old, (y, x), samples in zip(
                (luma, chroma), before[1:], grid.samples_of((rows, columns)), grid.samples_a_cell, strict=True
            ):
                y, x = (slice(*part.indices(length)) for part, length in zip((y, x), plane.shape[-2:], strict=True))
                plane[..., y, x] = old[..., moved(y, samples * down), moved(x, samples * right)]
        assert chosen or not inside
        for one, other in zip((joined(made.output), *made.known), (output, luma, chroma), strict=True):
            assert np.array_equal(one, other)


def moved(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)
