"""Luma as cells: the same values, and the same sums."""

from dataclasses import replace

import numpy as np
import pytest

from sr4k.models.cell_input import cells_shape, on_cells, reads_cells, write_cells
from sr4k.models.colour import Colour
from sr4k.models.folded_network import Conv
from sr4k.models.geometry import padded_luma
from sr4k.models.zoo import load

SIZE = (12, 16)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_cell_is_two_by_two_pixels_from_one_above_and_left_of_the_plane(dtype: str) -> None:
    plane = np.random.default_rng(0).integers(0, 256, padded_luma(*SIZE)).astype(dtype)
    cells = np.full(cells_shape(*SIZE), 99, dtype)
    write_cells(plane, cells)
    whole = np.pad(plane, ((1, 0), (1, 0)))
    expected = whole.reshape(cells.shape[0], 2, cells.shape[1], 2).transpose(0, 2, 1, 3).reshape(cells.shape)
    assert np.array_equal(cells, expected)


def test_networks_of_pixels_of_rgb_and_of_other_kinds_keep_planes() -> None:
    assert reads_cells(load("luma").folded(Colour()))
    assert not reads_cells(load("luma").folded(None))
    assert not reads_cells(load("luma-large").folded(Colour()))
    assert not reads_cells(load("rcan2").folded(Colour()))


@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 1, 2, 2), (2, 0, 1, 3)])
@pytest.mark.parametrize("taps", [(3, 3), (6, 6), (4, 5)])
def test_a_convolution_gives_the_same_on_cells(taps: tuple[int, int], pads: tuple[int, int, int, int]) -> None:
    torch = pytest.importorskip("torch")
    from sr4k.models.execute import as_tensors, convolved

    rng = np.random.default_rng(1)
    conv = Conv(rng.integers(-9, 10, (5, 1, *taps)).astype(float), rng.integers(-9, 10, 5).astype(float), 2, pads)
    plane = rng.integers(0, 256, padded_luma(*SIZE)).astype(np.uint8)
    cells = np.empty(cells_shape(*SIZE), np.uint8)
    write_cells(plane, cells)
    of_plane = convolved(torch.from_numpy(plane)[None, None].double(), as_tensors(conv, torch.float64))
    moved = torch.from_numpy(cells.transpose(2, 0, 1)[None].copy()).double()
    assert torch.equal(convolved(moved, as_tensors(on_cells(conv), torch.float64)), of_plane)
    assert on_cells(replace(conv, quantised=True)).quantised
