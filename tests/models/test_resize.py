from pathlib import Path

import numpy as np
import pytest

from sr4k.models.quality.image_files import read_rgb
from sr4k.models.resize import imresize

SHARED = Path(__file__).parents[3] / "shared" / "data" / "eval"


def test_a_constant_picture_stays_constant() -> None:
    flat = np.full((10, 14, 3), 77, np.uint8)
    assert (imresize(flat, 5, 7) == 77).all()
    assert (imresize(flat, 20, 28) == 77).all()


def test_halving_weighs_eight_neighbours_as_matlab_does() -> None:
    # imresize([0 0 0 0 255 0 0 0 0 0], 0.5): the impulse's weights in the widened cubic, a = -0.5.
    row = np.zeros((1, 10), np.uint8)
    row[0, 4] = 255
    assert imresize(row, 1, 5).tolist() == [[0, 29, 111, 0, 0]]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the evaluation pictures, which are not part of the project")
def test_it_reproduces_matlab_bit_for_bit_on_set5() -> None:
    for path in sorted((SHARED / "Set5").glob("*.png")):
        high = read_rgb(path)
        height, width = high.shape[0] // 2, high.shape[1] // 2
        low = imresize(high[: 2 * height, : 2 * width], height, width)
        assert (low == read_rgb(SHARED / "Set5_LRx2" / f"{path.stem}x2.png")).all(), path.name
