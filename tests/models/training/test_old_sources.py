"""Training clips as old sources show them: tape, old codecs, other sizes, encoded again."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from patches import assert_in_register
from pydantic import ValidationError
from skimage import data as pictures

from sr4k.models import zoo
from sr4k.models.training.clips import Patches, as_yuv, patches_of
from sr4k.models.training.codec import CODECS
from sr4k.models.training.frames import frames_of, luma_of
from sr4k.models.training.old_sources import Tape, as_old_source, drawn_tape, played
from sr4k.models.training.recipe import OldClips, Recipe

PLAIN = Tape(blur=0.6, sharpened=0.0, hiss=0.0, jitter=0.0, dropouts=0.0)
SMALL = OldClips(versions=1, frames=2, patches=2, patch=32, soft=0.0, noise=0.0)


def edge(*, upright: bool) -> np.ndarray:
    step = np.full((64, 64), 60, np.uint8)
    step[:, 32:] = 160
    return step if upright else np.ascontiguousarray(step.T)


def play(luma: np.ndarray, seed: int = 1, **changes: float) -> np.ndarray:
    return played(luma, replace(PLAIN, **changes), np.random.default_rng(seed)).astype(int)


class TestTape:
    def test_it_loses_detail_along_the_lines_alone(self) -> None:
        assert np.array_equal(play(edge(upright=False)), edge(upright=False))
        row = play(edge(upright=True))[32]
        assert ((row > 65) & (row < 155)).sum() >= 2
        assert (np.diff(row) >= 0).all()

    def test_sharpening_leaves_halos_that_are_stronger_at_one_side(self) -> None:
        row = play(edge(upright=True), sharpened=0.8, offset=0.8)[32]
        before, after = 60 - row.min(), row.max() - 160
        assert max(before, after) >= 10
        assert abs(before - after) >= 3
        assert np.abs(row[[4, -4]] - [60, 160]).max() == 0

    def test_noise_has_its_strength_and_is_coarse_along_the_lines(self) -> None:
        noise = play(np.full((128, 128), 128, np.uint8), hiss=5.0, coarse=1.0) - 128
        assert noise.std() == pytest.approx(5.0, rel=0.1)
        along, across = (
            np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in ((noise[:, 1:], noise[:, :-1]), (noise[1:], noise[:-1]))
        )
        assert along > 0.5 > 0.1 > abs(across)

    def test_lines_start_at_places_of_their_own(self) -> None:
        steady, unsteady = play(edge(upright=True)), play(edge(upright=True), jitter=0.5)
        assert (steady == steady[0]).all()
        assert unsteady[:, 32].std() > 5

    def test_a_dropout_spoils_a_part_of_a_line(self) -> None:
        grey = np.full((64, 64), 100, np.uint8)
        spoilt = play(grey, dropouts=1000.0) != 100
        assert 1 <= spoilt.any(1).sum() <= 16
        assert spoilt.sum(1).max() <= 40 * 3

    def test_tapes_differ_within_the_settings(self) -> None:
        settings = SMALL.model_copy(update={"blur": (0.5, 0.9), "hiss": (2.0, 3.0)})
        tapes = [drawn_tape(settings, np.random.default_rng(seed)) for seed in range(20)]
        assert all(0.5 <= tape.blur <= 0.9 and 2 <= tape.hiss <= 3 for tape in tapes)
        assert len({tape.blur for tape in tapes}) == 20


class TestClips:
    def patches(self, seed: int, **changes: object) -> Patches:
        return patches_of(pictures.astronaut()[:288, :288], SMALL.model_copy(update=changes), (seed,))

    @pytest.mark.slow(seconds=1)
    @pytest.mark.parametrize("changes", [{}, {"resized": 1.0, "again": 1.0}], ids=["as it is", "other size"])
    def test_both_sizes_stay_in_register(self, changes: dict[str, object]) -> None:
        fine = {"quantiser": (2, 3), "tape": 0.0, "crf": (12, 12)} | changes
        for seed in range(3):
            assert_in_register(self.patches(seed, **fine))

    @pytest.mark.slow(seconds=1)
    def test_most_are_of_old_codecs_and_coarser_quantisers_lose_more(self) -> None:
        fine, coarse = (
            [self.patches(seed, quantiser=(q, q), tape=0.0, again=0.0, resized=0.0).facts for seed in range(8)]
            for q in (2, 24)
        )
        old = [k for k, facts in enumerate(fine) if CODECS[facts["codec"][0]] in ("mpeg2", "mpeg4")]
        assert len(old) >= 4
        assert all(coarse[k]["error"].mean() > 2 * fine[k]["error"].mean() for k in old)
        assert {float(fine[k]["factor"][0]) for k in old} == {2.0}

    @pytest.mark.slow(seconds=1)
    def test_what_was_encoded_again_or_played_from_tape_differs_more_from_what_it_was(self) -> None:
        kinds = ({"again": 0.0, "tape": 0.0}, {"again": 1.0, "tape": 0.0, "crf": (30, 30)}, {"again": 0.0, "tape": 1.0})
        once, again, tape = (
            np.mean([self.patches(k, quantiser=(2, 2), resized=0.0, **kind).facts["error"].mean() for k in range(4)])
            for kind in kinds
        )
        assert again > 1.2 * once
        assert tape > 1.2 * once

    def test_every_frame_keeps_its_size_and_its_place(self) -> None:
        picture = as_yuv(pictures.astronaut()[:160, :128])
        frames = frames_of(iter([picture[2 * k : 2 * k + 96, :96] for k in range(5)]))
        settings = SMALL.model_copy(update={"resized": 1.0, "again": 1.0, "tape": 0.0, "quantiser": (2, 2)})
        _, decoded = as_old_source(frames, settings, np.random.default_rng(2))
        shown = [luma_of(frame).astype(int) for frame in frames]
        assert [each.luma.shape for each in decoded] == [(96, 96)] * 5
        for k, each in enumerate(decoded):
            assert int(np.argmin([np.abs(each.luma - luma).mean() for luma in shown])) == k


@pytest.mark.slow
def test_a_whole_run_makes_a_plain_model_that_started_from_the_one_it_names(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from sr4k.models.training.run import train_model

    cv2.imwrite(str(tmp_path / "coffee.png"), pictures.coffee()[:280, :280, ::-1])
    recipe = Recipe.model_validate(
        {
            "model": "luma",
            "start_from": "luma",
            "start_quality": 30,
            "steps": 2,
            "batch": 2,
            "every": 2,
            "learning_rate": 1e-4,
            "int8": {"steps": 2},
            "clips": SMALL.model_dump(),
        }
    )
    model = train_model(recipe, [tmp_path], tmp_path / "run", validate=[])
    assert model.int8_weights is not None
    assert zoo.grades("luma", tmp_path / "run") == (0,)
    start, clean = (zoo.load("luma", quality=quality).weights["head.weight"] for quality in (30, 0))
    moved = model.weights["head.weight"]
    assert not np.array_equal(moved, start)
    assert np.abs(moved - start).max() < 0.1 * np.abs(clean - start).max()


@pytest.mark.parametrize("other", [{"quality": {}}, {"teacher": {"models": ["luma-large"]}}])
def test_clips_of_old_sources_are_learned_from_alone(other: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="learned from alone: remove quality and teacher, or clips"):
        Recipe.model_validate({"model": "luma", "clips": {}, **other})
