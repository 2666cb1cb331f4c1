"""Reused tiles are bit for bit what would have been computed."""

from dataclasses import replace

import numpy as np
import pytest
from infer_runs import Picture, run
from skimage import data as pictures

from sr4k.engines import ENGINES
from sr4k.models.colour import Colour
from sr4k.stages.settings import InferSettings

HEIGHT, WIDTH = 242, 516  # four by four tiles, of which the last ones lie over those before


@pytest.fixture(scope="module")
def photograph() -> Picture:
    rgb = np.tile(pictures.astronaut(), (1, 2, 1))[:HEIGHT, :WIDTH]
    return rgb[..., 1].copy(), np.stack([rgb[::2, ::2, 0], rgb[::2, ::2, 2]])


def changed(picture: Picture, top: int, left: int, by: int = 9) -> Picture:
    luma, chroma = picture[0].copy(), picture[1].copy()
    luma[top : top + 2, left : left + 2] ^= by
    return luma, chroma


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(("model", "precision"), [("luma", "int8"), ("luma", "fp32"), ("rcan2", "int8")])
def test_the_output_is_what_it_would_be_without(photograph: Picture, model: str, precision: str) -> None:
    still, moved = photograph, (np.roll(photograph[0], 8, axis=1), photograph[1])
    sequence = [
        still,
        still,
        changed(still, 3, 5),  # in a corner
        changed(still, 123, 259),  # where tiles meet
        changed(still, 123 - 12, 259 - 12),  # in the margins of neighbours
        (still[0], np.roll(still[1], 3, axis=2)),  # chroma alone
        moved,
        moved,
        changed(moved, 240, 514),
        still,
        moved,
        still,
    ]
    settings = InferSettings(engine="openvino", model=model, precision=precision, threads=2)  # type: ignore[arg-type]
    with_reuse, order, share = run(sequence, settings)
    without, _, whole = run(sequence, replace(settings, reuse=False))
    assert order == list(range(len(sequence)))
    assert all(np.array_equal(a, b) for a, b in zip(with_reuse, without, strict=True))
    assert whole == 1.0
    assert share < (0.75 if model == "luma" else 0.9)


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("threshold", [0, 1])
def test_so_of_ten_bits_and_a_colour_for_every_pixel(photograph: Picture, threshold: int) -> None:
    luma = photograph[0].astype(np.uint16) * 4
    still = luma, np.stack([luma // 2, 1023 - luma])
    other = still[0], still[1].copy()
    other[1][0, 3, 5] += 4 * threshold + 1
    settings = InferSettings(engine="openvino", model="luma", threads=2, reuse_threshold=threshold)
    colour = Colour(bits=10, sampling="444")
    made, _, share = run([still, still, other], settings, colour)
    exact, _, _ = run([still, still, other], replace(settings, reuse=False), colour)
    assert made[0].dtype == np.uint16
    assert all(np.array_equal(a, b) for a, b in zip(made, exact, strict=True))
    assert share == pytest.approx((16 + 1) / 48)


def test_what_stands_still_is_computed_once(photograph: Picture) -> None:
    _, _, share = run([photograph] * 10, InferSettings(engine="nearest", model="luma"))
    assert share == pytest.approx(1 / 10)


def test_a_small_change_costs_the_tiles_that_see_it(photograph: Picture) -> None:
    _, _, share = run([photograph, changed(photograph, 3, 5)], InferSettings(engine="nearest", model="luma"))
    assert share == pytest.approx((16 + 1) / 32)


def test_a_threshold_lets_small_differences_pass_but_not_pile_up(photograph: Picture) -> None:
    fade = [(np.minimum(photograph[0], 200) + step, photograph[1]) for step in range(6)]
    made, _, share = run(fade, InferSettings(engine="nearest", model="luma", reuse_threshold=2))
    exact, _, _ = run(fade, InferSettings(engine="nearest", model="luma"))
    errors = [int(np.abs(a.astype(int) - b).max()) for a, b in zip(made, exact, strict=True)]
    assert max(errors) == 2
    assert share == pytest.approx(2 / 6), "at the start, and at the fourth"


def test_tiles_are_computed_by_the_engine_that_was_opened(photograph: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "failing", "toy_engines:FailingEngine")
    sequence = [photograph, changed(photograph, 3, 5)]
    made, _, share = run(sequence, InferSettings(engine="failing", model="luma", fallbacks=("nearest",)))
    expected, _, _ = run(sequence, InferSettings(engine="nearest", model="luma", reuse=False))
    assert all(np.array_equal(a, b) for a, b in zip(made, expected, strict=True))
    assert share < 1


@pytest.mark.slow(seconds=1)
def test_with_a_threshold_the_border_follows_changes_too(photograph: Picture) -> None:
    sequence = [photograph, changed(photograph, 0, 0, by=64), changed(photograph, 0, 0, by=64)]
    settings = InferSettings(engine="openvino", model="luma", threads=2, reuse_threshold=1)
    made, _, share = run(sequence, settings)
    exact, _, _ = run(sequence, replace(settings, reuse=False))
    assert all(np.array_equal(a, b) for a, b in zip(made, exact, strict=True))
    assert share == pytest.approx((16 + 1) / 48)
