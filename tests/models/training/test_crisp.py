"""Batches and loss that teach a network a crisp look without halos."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sr4k.common.opencv import cv2  # noqa: E402
from sr4k.models.training import crisp  # noqa: E402
from sr4k.models.training.clips import FACTS, Patches  # noqa: E402
from sr4k.models.training.crisp import crisp_source, crisper  # noqa: E402
from sr4k.models.training.data import Batch  # noqa: E402
from sr4k.models.training.edges import drawn_edges  # noqa: E402
from sr4k.models.training.patch_cache import Cache  # noqa: E402
from sr4k.models.training.recipe import Crisp, Recipe  # noqa: E402
from sr4k.models.training.train import Source, excursions, loss_of  # noqa: E402

SIDE = 16


@pytest.fixture(autouse=True)
def _few_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crisp, "_POOL", 50)


def cache() -> Cache:
    """Return patches of H.264 at many QPs, from 0 on, smooth but for their noise."""
    rng = np.random.default_rng(1)
    high = rng.integers(60, 180, (40, 2 * SIDE, 2 * SIDE)).astype(np.uint8)
    low = np.stack([cv2.resize(each, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for each in high])
    facts = np.zeros(40, FACTS)
    facts["clip_qp"] = np.linspace(0, 40, 40)
    return Cache((Patches(low, high, facts),))


def source(settings: Crisp, clean: float = 0.25, within: tuple[float, float] = (0.0, 51.0)) -> Source:
    return crisp_source(cache(), settings, batch=8, unsure=1.0, seed=3, clean=clean, within=within)


def first(made: Source, count: int, start: int = 0) -> list[Batch]:
    return list(itertools.islice(made(start), count))


def test_the_target_is_steeper_and_stays_within_the_range_nearby() -> None:
    rng = np.random.default_rng(0)
    truth = cv2.GaussianBlur(rng.uniform(0, 255, (64, 64)).astype(np.float32), (0, 0), 2)[None, None]
    made = crisper(truth, Crisp(strength=1.5))
    assert made[0, 0].std() > 1.1 * truth[0, 0].std()
    around = np.ones((5, 5), np.uint8)
    assert (made[0, 0] <= cv2.dilate(truth[0, 0], around)).all()
    assert (made[0, 0] >= cv2.erode(truth[0, 0], around)).all()


def test_a_step_between_flat_areas_is_its_own_target() -> None:
    step = np.repeat(np.where(np.arange(40) < 20, 50, 200).astype(np.float32)[None], 40, axis=0)[None, None]
    np.testing.assert_array_equal(crisper(step, Crisp(strength=2.0)), step)


def test_drawn_windows_have_edges_and_are_halved() -> None:
    low, high = drawn_edges(40, SIDE, seed=1)
    assert low.shape == (40, SIDE, SIDE) and high.shape == (40, 2 * SIDE, 2 * SIDE)
    assert ((high >= 16) & (high <= 235)).all()
    assert sum(each.max() > each.min() + 10 for each in high) > 30
    halves = np.stack([cv2.resize(each, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for each in high])
    assert np.abs(halves.astype(int) - low).mean() < 4
    again = drawn_edges(40, SIDE, seed=1)
    np.testing.assert_array_equal(low, again[0])


def test_the_last_windows_are_drawn_and_every_fourth_batch_is_clean() -> None:
    batches = first(source(Crisp(edges=0.25)), 8)
    assert [batch.edges for batch in batches] == [2] * 8
    assert [batch.quality == 0 for batch in batches] == [True, False, False, False] * 2
    assert all(batch.low.shape == (8, 1, SIDE, SIDE) and batch.high.shape[2:] == (32, 32) for batch in batches)


def test_a_batch_depends_on_its_number_alone() -> None:
    made = source(Crisp())
    whole = first(made, 9)
    for start in (1, 4, 7):
        for batch, again in zip(whole[start:], first(made, 9 - start, start), strict=True):
            np.testing.assert_array_equal(batch.low, again.low)
            np.testing.assert_array_equal(batch.high, again.high)
            assert (batch.quality, batch.edges) == (again.quality, again.edges)


def test_noise_is_on_clean_sources_alone_and_not_in_the_target() -> None:
    quiet, noisy = (first(source(Crisp(noise=noise)), 2) for noise in (0.0, 8.0))
    assert not np.array_equal(quiet[0].low, noisy[0].low)
    np.testing.assert_array_equal(quiet[0].high, noisy[0].high)
    np.testing.assert_array_equal(quiet[1].low, noisy[1].low)


def test_one_quality_can_have_clean_batches_alone_or_none() -> None:
    assert {batch.quality for batch in first(source(Crisp(), clean=1.0, within=(0, 7)), 4)} == {0.0}
    assert all(batch.quality > 0 for batch in first(source(Crisp(), clean=0.0, within=(20, 51)), 4))


def test_halos_are_what_lies_beyond_the_range_of_the_truth_nearby() -> None:
    target = torch.zeros(1, 1, 9, 9)
    target[..., 5:] = 1.0
    made = target.clone()
    made[..., 4], made[..., 3], made[..., 0], made[..., 8] = 0.5, -0.1, 0.2, 1.3
    found = excursions(made, target)[0, 0, 4]
    np.testing.assert_allclose(found.numpy(), [0.2, 0, 0, 0.1, 0, 0, 0, 0, 0.3], atol=1e-6)


def test_halos_in_drawn_windows_count_more_than_other_errors() -> None:
    recipe = Recipe.model_validate(
        {"model": "luma", "start_from": "luma", "decibels": True, "quality": {"fixed": 0, "crisp": {"excursions": 30}}}
    )
    difference, halos = torch.full((3, 1, 8, 8), 0.1), torch.full((1, 1, 8, 8), 0.1)
    without, with_them = (float(loss_of(difference, recipe, 0, each)) for each in (None, halos))
    assert with_them - without == pytest.approx(np.log(31) / 3, rel=1e-2)
    for missing in ("start_from", "decibels"):
        given = {"model": "luma", "start_from": "luma", "decibels": True, "quality": {"fixed": 0, "crisp": {}}}
        del given[missing]
        with pytest.raises(ValueError, match="crisp weights need decibels: true, and start_from"):
            Recipe.model_validate(given)
