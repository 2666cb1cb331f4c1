"""Chroma by two cells at a time: the same sums, in the same order of memory."""

import numpy as np
import pytest

from sr4k.models.chroma_pairs import CELLS, CHROMA, makes_pairs, on_pairs, paired_columns
from sr4k.models.colour import Colour
from sr4k.models.geometry import CELL, MARGIN, padded_chroma
from sr4k.models.zoo import load


def test_networks_of_rgb_of_chroma_in_full_and_those_that_mix_it_with_luma_make_cells_one_by_one() -> None:
    assert makes_pairs(load("luma").folded(Colour()))
    assert makes_pairs(load("luma-large").folded(Colour(bits=10)))
    assert not makes_pairs(load("luma").folded(None))
    assert not makes_pairs(load("luma").folded(Colour(sampling="444")))
    assert not makes_pairs(load("rcan2").folded(Colour()))


@pytest.mark.parametrize("width", [16, 18])
def test_pairs_hold_what_cells_hold_one_after_the_other(width: int) -> None:
    torch = pytest.importorskip("torch")
    conv = load("luma").folded(Colour()).convs[CHROMA]
    columns = width // CELL + 2 * MARGIN
    chroma = np.random.default_rng(1).integers(0, 256, (1, 2, *padded_chroma(12, width))).astype(float)

    def computed(kernel: np.ndarray, pads: tuple[int, int, int, int], **wishes: int | tuple[int, int]) -> np.ndarray:
        top, left, bottom, right = pads
        padded = torch.nn.functional.pad(torch.from_numpy(chroma), (left, right, top, bottom))
        made = torch.nn.functional.conv2d(padded, torch.from_numpy(kernel), **wishes)
        return made.permute(0, 2, 3, 1).numpy().copy()

    singles = computed(conv.kernel, conv.pads, groups=2)
    paired = on_pairs(conv, columns)
    pairs = computed(paired.kernel, paired.pads, stride=(1, CELLS))
    parted = pairs.reshape(1, -1, paired_columns(columns), 8)
    assert singles.shape[2] == columns
    assert np.array_equal(parted[:, :, :columns], singles)
    assert len(paired.bias) == 16
