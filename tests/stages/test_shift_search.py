"""By how much pictures moved, found from their pixels."""

import numpy as np
import pytest
from skimage import data as pictures

from sr4k.models.geometry import CELL
from sr4k.stages.shift_search import Shift, find_shift

HEIGHT, WIDTH, ROOM = 400, 600, 320


def moved(page: np.ndarray, down: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """A part of a page, and the same ``down`` and ``right`` further."""
    after, before = (page[y : y + HEIGHT, x : x + WIDTH].copy() for y, x in ((ROOM + down, ROOM + right), (ROOM, ROOM)))
    return after, before


@pytest.fixture(scope="module", params=["photograph", "text"])
def page(request: pytest.FixtureRequest) -> np.ndarray:
    if request.param == "text":
        return np.kron(np.tile(pictures.page(), (3, 2)), np.ones((2, 2), np.uint8))  # each part of it four times
    return np.tile(np.concatenate([pictures.astronaut()[..., 1], pictures.coffee()[:, :512, 2]]), (2, 3))


@pytest.mark.parametrize(
    "shift", [(2, 0), (-2, 0), (1, 0), (0, 4), (0, -3), (6, 2), (-5, -17), (64, -64), (150, 0), (-150, 0), (0, 200)]
)
def test_a_picture_that_moved_is_found(page: np.ndarray, shift: tuple[int, int]) -> None:
    assert find_shift(*moved(page, *shift), 0) == shift


def test_what_did_not_change_has_no_shift(page: np.ndarray) -> None:
    assert find_shift(*moved(page, 0, 0), 0) is None


def test_other_pictures_have_no_shift(page: np.ndarray) -> None:
    after, before = moved(page, 2, 0)
    assert find_shift(after ^ np.random.default_rng(0).integers(0, 4, after.shape, np.uint8), before, 0) is None


def test_noise_within_the_tolerance_does_no_harm(page: np.ndarray) -> None:
    after, before = moved(page // 2, 2, 0)
    after += np.random.default_rng(0).integers(0, 3, after.shape, np.uint8)
    assert find_shift(after, before, 2) == (2, 0)
    assert find_shift(after, before, 0) is None


def test_deep_pictures_are_searched_in_all_their_bits(page: np.ndarray) -> None:
    after, before = (plane.astype(np.uint16) * 257 for plane in moved(page, 6, 0))
    assert find_shift(after, before, 0) == (6, 0)
    assert find_shift(after + np.random.default_rng(0).integers(0, 2, after.shape, np.uint16), before, 0) is None


def test_half_of_a_picture_is_enough(page: np.ndarray) -> None:
    after, before = moved(page, 4, 0)
    after[:, WIDTH // 2 :] = before[:, WIDTH // 2 :]
    assert find_shift(after, before, 0) == (4, 0)


def test_of_equally_likely_shifts_it_is_one_by_whole_cells() -> None:
    rows = np.random.default_rng(0).integers(0, 256, 3, np.uint8)
    stripes = np.tile(rows, HEIGHT)[:HEIGHT, None].repeat(WIDTH, axis=1)  # they repeat every three rows
    after = np.roll(stripes, -1, axis=0)  # up by one or, as likely, down by two
    after[:100], after[-100:] = stripes[:100], stripes[-100:]
    assert find_shift(after, stripes, 0) == (-2, 0)


@pytest.mark.parametrize("size", [(21, 21), (40, 30), (30, 900)])
def test_the_smallest_pictures_can_be_searched(size: tuple[int, int]) -> None:
    numbers = np.random.default_rng(0)
    some, others = (numbers.integers(0, 256, size, np.uint8) for _ in range(2))
    assert find_shift(some, others, 0) is None


def test_shifts_by_whole_cells_are_the_even_ones() -> None:
    assert CELL == 2
    assert Shift(-4, 6).is_whole_cells
    assert not Shift(-3, 6).is_whole_cells
    assert not Shift(2, 1).is_whole_cells
