"""Output that is reused where a picture moved as a whole is bit for bit what would have been computed."""

from dataclasses import replace

import numpy as np
import pytest
from infer_runs import Picture, run
from skimage import data as pictures

from sr4k.engines import EngineSpec
from sr4k.engines.choose import engine_for
from sr4k.models.colour import Colour
from sr4k.models.geometry import MARGIN, pad_planes, pixel_shuffle
from sr4k.stages.settings import InferSettings

HEIGHT, WIDTH = 496, 780  # eight by six tiles
LUMA = InferSettings(engine="openvino", model="luma", threads=2)
NEAREST = InferSettings(engine="nearest", model="luma")
Vector = tuple[int, int]


@pytest.fixture(scope="module")
def page() -> np.ndarray:
    """RGB, larger than a frame by 200 pixels on each side."""
    return np.tile(pictures.astronaut(), (2, 3, 1))


def frame(page: np.ndarray, row: int, column: int, colour: Colour) -> Picture:
    part = page[200 + row : 200 + row + HEIGHT, 200 + column : 200 + column + WIDTH].astype(colour.dtype) * colour.unit
    chroma = np.stack([part[..., 0], part[..., 2]])
    return part[..., 1].copy(), chroma[:, ::2, ::2] if colour.sampling == "420" else chroma


def moving(page: np.ndarray, vectors: list[Vector], colour: Colour | None = None) -> list[Picture]:
    """Frames of which each lies that much further down and right on the page than the one before."""
    places = np.cumsum([(0, 0), *vectors], axis=0)
    return [frame(page, *place, colour or Colour()) for place in places]


def both_ways(
    sequence: list[Picture], settings: InferSettings = LUMA, colour: Colour | None = None
) -> tuple[list[np.ndarray], list[np.ndarray], float]:
    """Output with reuse and without, and the share that was computed with it."""
    reused, order, share = run(sequence, settings, colour)
    computed, _, _ = run(sequence, replace(settings, reuse=False), colour)
    assert order == list(range(len(sequence)))
    return reused, computed, share


def are_equal(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(
    ("vectors", "tiles"),
    [
        ([(2, 0), (-4, 0), (0, 2), (0, -6)], 48 + 12 + 12 + 16 + 16),
        ([(4, -2), (-2, 2)], 48 + 24 + 24),  # all tiles at the border
        ([(10, 0), (0, 0), (-10, 0)], 48 + 12 + 0 + 12),
    ],
)
def test_even_vectors_cost_only_what_comes_in_and_the_borders(
    page: np.ndarray, vectors: list[Vector], tiles: int
) -> None:
    reused, computed, share = both_ways(moving(page, vectors))
    assert are_equal(reused, computed)
    assert share == pytest.approx(tiles / 48 / (len(vectors) + 1))


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(
    ("colour", "model", "precision"),
    [
        (Colour(bits=10), "luma", "auto"),
        (Colour(bits=10, sampling="444"), "luma", "auto"),
        (Colour(sampling="444"), "luma", "int8"),
        (Colour(), "luma", "fp32"),
        (Colour(), "luma-large", "int8"),
    ],
)
def test_so_of_other_pictures_and_networks(page: np.ndarray, colour: Colour, model: str, precision: str) -> None:
    settings = replace(LUMA, model=model, precision=precision)  # type: ignore[arg-type]
    reused, computed, share = both_ways(moving(page, [(2, 0), (0, 4)], colour), settings, colour)
    assert reused[0].dtype == colour.dtype
    assert are_equal(reused, computed)
    assert share == pytest.approx((48 + 12 + 16) / 48 / 3)


@pytest.mark.slow(seconds=1)
def test_what_comes_in_is_computed_even_if_it_looks_like_the_border(page: np.ndarray) -> None:
    sequence = moving(page, [(4, 0), (-4, 0), (0, 4)])
    for end, (luma, chroma) in zip((24, 28, 24, 24), sequence, strict=True):  # a page ends above the lower border
        luma[-end:], chroma[:, -end // 2 :] = 200, 128
        luma[:, -24:], chroma[..., -12:] = 200, 128
    reused, computed, _ = both_ways(sequence)
    assert are_equal(reused, computed)


@pytest.mark.slow(seconds=1)
def test_at_an_odd_speed_frames_are_made_of_the_last_but_one(page: np.ndarray) -> None:
    sequence = moving(page, [(1, 0)] * 3 + [(-3, 0)] * 3, Colour(sampling="444"))
    reused, computed, share = both_ways(sequence, colour=Colour(sampling="444"))
    assert are_equal(reused, computed)
    # The fifth is -3 below the fourth and -2 below the third, the sixth -6 below the fourth.
    assert share == pytest.approx((48 + 48 + 12 + 12 + 12 + 12 + 12) / 48 / 7)


def test_only_what_moved_by_an_even_vector_comes_out_the_same(page: np.ndarray) -> None:
    colour = Colour(sampling="444")
    spec = EngineSpec(model="luma", height=HEIGHT, width=WIDTH, colour=colour, threads=2)
    with engine_for("openvino", spec) as engine:

        def luma(down: int, right: int) -> np.ndarray:
            cells = engine.infer(pad_planes(*frame(page, down, right, colour)))[MARGIN:-MARGIN, MARGIN:-MARGIN, :16]
            pixels = pixel_shuffle(np.moveaxis(cells, 2, 0), 4)[0]
            return pixels[100 - 2 * down : -100 - 2 * down, 100 - 2 * right : -100 - 2 * right]  # of the same place

        there = luma(0, 0)
        assert np.array_equal(luma(2, 0), there)
        assert np.array_equal(luma(-4, 6), there)
        for odd in ((1, 0), (0, 1), (2, -1), (3, 3)):
            assert not np.array_equal(luma(*odd), there)


@pytest.mark.slow(seconds=1)
def test_after_a_cut_nothing_is_reused_and_then_the_new_scene_is(page: np.ndarray) -> None:
    other = np.ascontiguousarray(255 - page[::-1, ::-1])
    sequence = [*moving(page, [(2, 0)]), *moving(other, [(0, 2)])]
    reused, computed, share = both_ways(sequence)
    assert are_equal(reused, computed)
    assert share == pytest.approx((48 + 12 + 48 + 16) / 48 / 4)


@pytest.mark.slow(seconds=1)
def test_of_two_regions_that_move_differently_one_is_reused_beside_what_stands_still(page: np.ndarray) -> None:
    across, up = moving(page, [(0, 2)] * 3), moving(page, [(6, 0)] * 3)
    for moved, other in zip(across, up, strict=True):
        for plane, source, still, samples in zip(moved, other, across[0], (2, 1), strict=True):
            plane[..., 186 * samples :, :] = still[..., 186 * samples :, :]
            square = np.s_[..., 225 * samples : 235 * samples, 350 * samples : 360 * samples]
            plane[square] = source[square]
    reused, computed, share = both_ways(across)
    assert are_equal(reused, computed)
    # The ends of five rows, the two rows on both sides of the edge, and the tile with the square.
    assert share == pytest.approx((48 + 3 * (10 + 12 + 1)) / 48 / 4)


@pytest.mark.slow(seconds=1)
def test_a_window_that_scrolls_at_an_odd_speed_is_reused_beside_what_stands_still(page: np.ndarray) -> None:
    sequence = moving(page, [(1, 0)] * 3, Colour(sampling="444"))
    for luma, chroma in sequence:
        luma[:, 390:], chroma[..., 390:] = sequence[0][0][:, 390:], sequence[0][1][..., 390:]
    reused, computed, share = both_ways(sequence, colour=Colour(sampling="444"))
    assert are_equal(reused, computed)
    assert share == pytest.approx((48 + 48 + 2 * (8 + 8 + 4)) / 48 / 4)  # two columns at its edge, and its ends


@pytest.mark.slow(seconds=1)
def test_a_part_of_the_picture_that_moves_at_an_odd_speed_is_reused_too(page: np.ndarray) -> None:
    sequence = moving(page, [(1, 0)] * 3, Colour(sampling="444"))
    for luma, chroma in sequence:
        luma[:, 260:], chroma[..., 260:] = sequence[0][0][:, 260:], sequence[0][1][..., 260:]
    reused, computed, share = both_ways(sequence, colour=Colour(sampling="444"))
    assert are_equal(reused, computed)
    assert share == pytest.approx((48 + 24 + 2 * (8 + 8 + 2)) / 48 / 4)


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("sharpness", [0, 40])
def test_any_walk_over_a_page_is_followed(page: np.ndarray, sharpness: int) -> None:
    numbers = np.random.default_rng(5 + sharpness)
    walk = [(int(down), int(right)) for down, right in numbers.integers(-4, 5, (8, 2)) * [1, 0]]
    sequence = moving(page, walk, Colour(sampling="444"))
    reused, computed, share = both_ways(sequence, replace(LUMA, sharpness=sharpness), Colour(sampling="444"))
    assert are_equal(reused, computed)
    assert share < 0.8


def test_nothing_is_found_in_the_noise_of_a_camera(page: np.ndarray) -> None:
    numbers = np.random.default_rng(0)
    sequence = []
    for luma, chroma in moving(page, [(2, 0)] * 3):
        noise = numbers.normal(0, 1.5, luma.shape)
        sequence.append((np.clip(np.rint(luma + noise), 0, 255).astype(np.uint8), chroma))
    _, _, share = run(sequence, NEAREST)
    assert share == 1


def test_a_network_that_sees_all_of_the_picture_computes_all_of_it(page: np.ndarray) -> None:
    _, _, share = run(moving(page, [(2, 0)] * 2), replace(NEAREST, model="rcan2"))
    assert share == 1


def test_chroma_that_did_not_move_with_luma_is_computed(page: np.ndarray) -> None:
    first, second = moving(page, [(2, 0)])
    reused, computed, share = both_ways([first, (second[0], first[1])])
    assert are_equal(reused, computed)
    assert share == 1


@pytest.mark.slow(seconds=1)
def test_other_weights_reuse_nothing_that_the_ones_before_made(page: np.ndarray) -> None:
    sequence = moving(page, [(2, 0)] * 3)
    qualities = [0, 0, 30, 30]
    reused, _, share = run(sequence, LUMA, qualities=qualities)
    computed, _, _ = run(sequence, replace(LUMA, reuse=False), qualities=qualities)
    assert are_equal(reused, computed)
    assert share == pytest.approx((48 + 12 + 48 + 12) / 48 / 4)


def test_a_threshold_lets_small_differences_pass_but_not_pile_up(page: np.ndarray) -> None:
    darker = page // 2
    sequence = [
        (luma + step, chroma) for step, (luma, chroma) in enumerate(moving(darker, [(2, 0), (0, 0), (0, 2), (0, 2)]))
    ]
    made, exact, share = both_ways(sequence, replace(NEAREST, reuse_threshold=2))
    errors = [int(np.abs(a.astype(int) - b).max()) for a, b in zip(made, exact, strict=True)]
    assert max(errors) == 2
    assert share < 0.8


def test_nor_do_they_beside_what_moves_at_an_odd_speed(page: np.ndarray) -> None:
    sequence = moving(page // 2, [(1, 0)] * 7, Colour(sampling="444"))
    still = sequence[0][0][:, 260:].copy()
    for step, (luma, chroma) in enumerate(sequence):
        luma[:, 260:], chroma[..., 260:] = still + step, sequence[0][1][..., 260:]  # a fade
    made, exact, share = both_ways(sequence, replace(NEAREST, reuse_threshold=2), Colour(sampling="444"))
    errors = [int(np.abs(a.astype(int) - b).max()) for a, b in zip(made, exact, strict=True)]
    assert max(errors) == 2
    assert share < 0.8


@pytest.mark.slow(seconds=1)
def test_with_a_threshold_what_moved_exactly_comes_out_exactly(page: np.ndarray) -> None:
    sequence = moving(page, [(2, 0), (-4, 0), (1, 0), (1, 0), (0, 2)], Colour(sampling="444"))
    reused, computed, share = both_ways(sequence, replace(LUMA, reuse_threshold=1), Colour(sampling="444"))
    assert are_equal(reused, computed)
    assert share < 0.6
