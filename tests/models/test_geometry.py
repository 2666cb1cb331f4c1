import numpy as np
import pytest

from sr4k.models.colour import Sampling
from sr4k.models.geometry import is_subsampled, pad_planes, padded_chroma, padded_luma, pixel_shuffle


@pytest.mark.parametrize("r", [2, 4])
def test_the_pixel_shuffle_is_pytorchs(r: int) -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(1).integers(0, 256, (2, 3 * r * r, 5, 7))
    expected = torch.nn.functional.pixel_shuffle(torch.from_numpy(values), r).numpy()
    np.testing.assert_array_equal(pixel_shuffle(values, r), expected)
    np.testing.assert_array_equal(pixel_shuffle(values[0], r), expected[0])


@pytest.mark.parametrize("sampling", ["420", "444"])
def test_planes_are_padded_to_the_input_size_of_engines(sampling: Sampling) -> None:
    side = 2 if sampling == "420" else 1
    luma, chroma = pad_planes(np.zeros((6, 10), np.uint8), np.zeros((2, 6 // side, 10 // side), np.uint8))
    assert luma.shape == padded_luma(6, 10)
    assert chroma.shape == (2, *padded_chroma(6, 10, sampling))
    assert is_subsampled(luma, chroma) == (sampling == "420")
