import numpy as np
import pytest

from sr4k.models.geometry import MARGIN, padded_luma
from sr4k.models.source_range import write_range

SIZE = (12, 16)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_range_around_a_cell_is_that_of_three_cells_on_each_side(dtype: str) -> None:
    plane = np.random.default_rng(0).integers(0, 256, padded_luma(*SIZE)).astype(dtype)
    least, highest = np.zeros((2, SIZE[0] // 2 + 2 * MARGIN, SIZE[1] // 2 + 2 * MARGIN), dtype)
    write_range(plane, least, highest)
    for row in range(MARGIN, len(least) - MARGIN):
        for column in range(MARGIN, least.shape[1] - MARGIN):
            read = plane[2 * row - 5 : 2 * row + 9, 2 * column - 5 : 2 * column + 9]
            assert (least[row, column], highest[row, column]) == (read.min(), read.max())
