"""A network whose weights depend on how compressed its source is."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError
from skimage import data as pictures

from sr4k.errors import InputError, OptionError
from sr4k.models import catalogue, zoo
from sr4k.models.architecture import LumaShape

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from sr4k.models.execute import upscale  # noqa: E402
from sr4k.models.training import crisp  # noqa: E402
from sr4k.models.training.clips import FACTS, Patches  # noqa: E402
from sr4k.models.training.data import Batch  # noqa: E402
from sr4k.models.training.patch_cache import Cache, make_cache, read_cache  # noqa: E402
from sr4k.models.training.quality_net import QualityNet  # noqa: E402
from sr4k.models.training.recipe import Clips, Quality, Recipe  # noqa: E402
from sr4k.models.training.run import train_model  # noqa: E402
from sr4k.models.training.teach import taught_cache  # noqa: E402
from sr4k.models.training.train import Trainer  # noqa: E402
from sr4k.models.training.train_qualities import check_qualities, started  # noqa: E402

SHAPE = LumaShape(features=8, convs=1)
KNOTS = (0.0, 20.0, 30.0)


def made(net: QualityNet, quality: float) -> np.ndarray:
    luma = torch.from_numpy(pictures.camera()[:32, :32].copy())[None, None].float()
    with torch.no_grad():
        return upscale(net.at(quality), luma).numpy()


def test_at_a_knot_and_beyond_the_last_it_is_that_set_alone() -> None:
    net = QualityNet(SHAPE, KNOTS)
    luma = torch.from_numpy(pictures.camera()[:32, :32].copy())[None, None].float()
    for quality, k in ((0.0, 0), (20.0, 1), (30.0, 2), (45.0, 2)):
        with torch.no_grad():
            assert np.array_equal(made(net, quality), net.plain()[k](luma).numpy())


def test_between_knots_its_weights_are_interpolated() -> None:
    net = QualityNet(SHAPE, KNOTS)
    with torch.no_grad():
        net.plain()[2].load_state_dict(net.plain()[1].state_dict())
        bias = net.plain()[2].tail.bias
        assert bias is not None
        bias += 0.1
    shift = made(net, 24.0) - made(net, 20.0)
    assert shift == pytest.approx(0.4 * 0.1 * 255, abs=1e-3)


@pytest.mark.slow(seconds=1)
def test_a_step_changes_the_knots_next_to_the_quality_but_no_fixed_one(tmp_path: Path) -> None:
    net = QualityNet(SHAPE, KNOTS, fixed=1)
    settings = Recipe.model_validate({"model": "luma", "steps": 9, "batch": 2, "patch": 16, "warm_up": 1})
    trainer = Trainer(net, settings, lambda _: iter(()), tmp_path, pictures="", validate=[])
    rng = np.random.default_rng(0)
    low, high = (rng.uniform(0, 255, (2, 1, side, side)).astype(np.float32) for side in (16, 32))
    for quality, changing in ((10.0, {1}), (25.0, {1, 2}), (40.0, {2})):
        before = [part.head.weight.detach().clone() for part in net.plain()]
        trainer.train_step(Batch(low, high, quality))
        assert {k for k, part in enumerate(net.plain()) if not torch.equal(part.head.weight, before[k])} == changing


@pytest.mark.slow
def test_a_whole_run_makes_a_model_of_each_knot(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "coffee.png"), pictures.coffee()[:280, :280, ::-1])
    clips = {"versions": 3, "frames": 2, "patches": 2, "patch": 32}
    recipe = Recipe.model_validate(
        {
            "model": "luma",
            "start_from": "luma",
            "steps": 4,
            "batch": 2,
            "every": 2,
            "int8": {"steps": 2},
            "quality": {"knots": [0, 25], "detail": 1.5, "clips": clips},
        }
    )
    train_model(recipe, [tmp_path], tmp_path / "run", validate=[])
    assert zoo.grades("luma", tmp_path / "run") == (0, 25)
    clean, model = zoo.load("luma", tmp_path / "run"), zoo.load("luma", tmp_path / "run", 28)
    assert model.grade == 25
    assert model.int8_weights is not None
    assert np.array_equal(clean.weights["head.weight"], zoo.load("luma").weights["head.weight"])
    assert not np.array_equal(model.weights["head.weight"], zoo.load("luma").weights["head.weight"])
    trained = QualityNet.load(tmp_path / "run" / "float" / "weights.safetensors").plain()[1].state_dict()
    assert np.allclose(model.weights["tail.weight"], 1.5 * trained["tail.weight"].numpy())
    assert (tmp_path / "run" / "training.png").exists()
    more = recipe.updated(quality={"knots": [0, 25], "detail": 1.5, "clips": {**clips, "versions": 4}})
    with pytest.raises(
        OptionError, match=r"another recipe \(quality\.clips\.versions 3, now 4\): choose another --out"
    ):
        train_model(more, [tmp_path], tmp_path / "run", validate=[])
    assert len(read_cache(tmp_path / "run" / "clips").shards) == 3, "refused before further clips are made"


@pytest.mark.parametrize("look", [None, {}])
def test_a_crisp_look_alone_is_trained_within_the_bounds_that_it_is_used_in(look: dict[str, float] | None) -> None:
    settings = {"knots": [0, 25], "fixed": 0, "crisp": look}
    given = {"model": "luma", "start_from": "luma", "decibels": True, "quality": settings}
    recipe = Recipe.model_validate(given)
    assert recipe.quality is not None
    net = started(catalogue.ARCHITECTURES["luma"], recipe, recipe.quality)  # type: ignore[arg-type]
    edge = torch.full((1, 1, 32, 32), 60.0)
    edge[..., 15:] = 180
    with torch.no_grad():
        made = upscale(net.at(0), edge)
    furthest = max(60 - float(made.min()), float(made.max()) - 180)
    assert (furthest <= 4 * 255 / 219 + 1e-3) == (look is not None)


@pytest.mark.slow
def test_a_whole_run_for_a_crisp_look_starts_from_each_quality_and_saves_crisp_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crisp, "_POOL", 50)
    cv2.imwrite(str(tmp_path / "coffee.png"), pictures.coffee()[:280, :280, ::-1])
    recipe = Recipe.model_validate(
        {
            "model": "luma",
            "start_from": "luma",
            "steps": 2,
            "batch": 4,
            "learning_rate": 1e-6,
            "adam_learning_rate": 1e-6,
            "decibels": True,
            "int8": {"steps": 1, "own": 1.0},
            "quality": {
                "knots": [0, 25], "fixed": 0, "crisp": {"clean": 0.5}, "clips": {"versions": 4, "patch": 32},
            },
        }
    )  # fmt: skip
    train_model(recipe, [tmp_path], tmp_path / "run", validate=[])
    for knot, mark in ((0, ""), (25, ".q25")):
        plain = zoo.load("luma", quality=knot)
        assert plain.grade == knot
        made = load_file(tmp_path / "run" / f"luma.crisp{mark}.safetensors")
        difference = np.abs(made["tail.weight"].numpy() - plain.weights["tail.weight"]).max()
        assert 0 < difference < 1e-3
        assert (tmp_path / "run" / f"luma.crisp{mark}.int8.safetensors").exists()
        kept, mixed = (zoo.load("luma", tmp_path / "run", knot, sharpness) for sharpness in (0, 100))
        np.testing.assert_array_equal(kept.weights["tail.weight"], plain.weights["tail.weight"])
        np.testing.assert_allclose(mixed.weights["tail.weight"], made["tail.weight"].numpy(), atol=1e-6)


@pytest.mark.slow(seconds=1)
def test_shared_sets_differ_in_the_biases_of_the_head_alone_and_can_be_separated_later(tmp_path: Path) -> None:
    settings = Recipe.model_validate({"model": "luma", "steps": 9, "batch": 2, "patch": 16, "warm_up": 1})
    rng = np.random.default_rng(0)
    low, high = (rng.uniform(0, 255, (2, 1, side, side)).astype(np.float32) for side in (16, 32))
    net = QualityNet(SHAPE, KNOTS, shared=True)
    trainer = Trainer(net, settings, lambda _: iter(()), tmp_path, pictures="", validate=[])
    for quality in (10.0, 30.0):
        trainer.train_step(Batch(low, high, quality))
    trainer.save()
    sets = [part.state_dict() for part in QualityNet.load(tmp_path / "weights.safetensors").plain()]
    assert {name for name in sets[0] if not torch.equal(sets[0][name], sets[2][name])} == {"head.bias"}
    later = Quality(knots=(0, 30), fixed=1, start_from=str(tmp_path / "weights.safetensors"))
    first, last = (part.state_dict() for part in started(SHAPE, settings, later).plain())
    assert all(torch.equal(last[name], sets[2][name]) for name in last)
    assert not torch.equal(first["head.weight"], last["head.weight"])
    with pytest.raises(OptionError, match="doesn't hold weights of luma"):
        started(replace(SHAPE, convs=2), settings, later)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"shared": True, "fixed": 1}, "can't be fixed"),
        ({"knots": [0, 30, 20]}, "knots must increase"),
        ({"knots": [0, 30], "fixed": 2}, "at least one knot must be trained"),
        ({"crisp": {}, "fixed": 1}, "crisp sets can't be fixed"),
    ],
)
def test_invalid_knots_are_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Quality.model_validate(settings)


@pytest.mark.parametrize("shape", [SHAPE, replace(SHAPE, stride=1, convs=2)], ids=["cells", "pixels"])
def test_its_architecture_is_read_from_its_file(shape: LumaShape, tmp_path: Path) -> None:
    net = QualityNet(shape, KNOTS)
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    loaded = QualityNet.load(tmp_path / "weights.safetensors")
    assert loaded.arch == shape
    assert np.array_equal(made(loaded, 24.0), made(net, 24.0))


def test_weights_without_quality_are_refused(tmp_path: Path) -> None:
    save_file({"head.weight": torch.zeros(1)}, tmp_path / "plain.safetensors")
    for name, told in (("plain.safetensors", "holds no weights that follow quality"), ("missing", "does not exist")):
        with pytest.raises(OptionError, match=told):
            QualityNet.load(tmp_path / name)


@pytest.mark.slow(seconds=1)
def test_a_teacher_makes_its_share_of_the_target_and_resumes_where_it_was_interrupted(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "coffee.png"), pictures.coffee()[:280, :280, ::-1])
    settings = Clips(versions=2, frames=1, patches=2, patch=32, noise=0.0)
    cache = make_cache([tmp_path], settings, 1, tmp_path / "clips")
    teacher = QualityNet(SHAPE, KNOTS)
    with torch.no_grad():
        for part in teacher.plain():
            part.tail.weight.zero_()  # a bicubic
    taught_cache(Cache(cache.shards[:1]), [teacher], 1.0, tmp_path / "taught")
    whole = taught_cache(cache, [teacher], 1.0, tmp_path / "taught")
    half = taught_cache(cache, [teacher], 0.5, tmp_path / "half")
    for before, bicubic, mixed in zip(cache.shards, whole.shards, half.shards, strict=True):
        assert np.array_equal(before.low, bicubic.low)
        expected = cv2.resize(before.low[0].astype(np.float32), (64, 64), interpolation=cv2.INTER_CUBIC)
        assert np.abs(bicubic.high[0][8:-8, 8:-8] - expected[8:-8, 8:-8]).mean() < 0.7  # OpenCV's cubic is sharper
        mean = (bicubic.high.astype(float) + before.high) / 2
        assert np.abs(mixed.high - mean).max() <= 1


def test_keys_of_pictures_are_not_for_clips() -> None:
    with pytest.raises(ValidationError, match="remove patch, softer"):
        Recipe.model_validate({"model": "luma", "quality": {}, "patch": 64, "softer": [0.5]})


@pytest.mark.slow
def test_clips_that_lack_a_quality_are_told_before_training_and_more_can_be_made_in_the_same_folder(
    tmp_path: Path,
) -> None:
    cv2.imwrite(str(tmp_path / "coffee.png"), pictures.coffee()[:280, :280, ::-1])
    for versions in (1, 2):
        clips = {"versions": versions, "frames": 1, "patches": 1, "patch": 32, "crf": [0, 1]}
        recipe = Recipe.model_validate({"model": "luma", "quality": {"knots": [0, 40], "clips": clips}})
        with pytest.raises(InputError, match=r"quality of 20 or more .*: raise quality\.clips\.versions"):
            train_model(recipe, [tmp_path], tmp_path / "run", validate=[])
        assert len(read_cache(tmp_path / "run" / "clips").shards) == versions
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["clips"]


@pytest.mark.parametrize("crisp_settings", [None, {"clean": 0.0}])
def test_a_crisp_look_needs_clips_of_clean_sources_as_well(crisp_settings: dict[str, float] | None) -> None:
    facts = np.zeros(3, FACTS)
    facts["clip_qp"] = [11, 25, 40]
    cache = Cache((Patches(np.zeros((3, 16, 16), np.uint8), np.zeros((3, 32, 32), np.uint8), facts),))
    settings = Quality.model_validate({"knots": [0, 25], "fixed": 0, "crisp": crisp_settings})
    if crisp_settings is None:
        check_qualities(cache, settings)
        return
    with pytest.raises(InputError, match="No clip has a quality of 0 to 10 "):
        check_qualities(cache, settings)
