"""Training, calibration and fine-tuning with tiny networks and pictures."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file
from skimage import data as pictures

from sr4k.errors import InputError, OptionError
from sr4k.models import catalogue, zoo
from sr4k.models.architecture import Architecture, LumaShape, RcanShape
from sr4k.models.resize import imresize

torch = pytest.importorskip("torch")

from sr4k.models.execute import IntegerExecutor, TorchOps, Trainable, padded, upscale, upscale_window  # noqa: E402
from sr4k.models.luma import LumaNet, luma_of  # noqa: E402
from sr4k.models.quality.image_files import hash_of_pictures  # noqa: E402
from sr4k.models.rcan import TrainableRcan  # noqa: E402
from sr4k.models.training.calibrate import best_clip, calibrate  # noqa: E402
from sr4k.models.training.data import batches, load_pairs  # noqa: E402
from sr4k.models.training.history import HISTORY  # noqa: E402
from sr4k.models.training.int8 import with_own_output  # noqa: E402
from sr4k.models.training.int8_net import Int8Net  # noqa: E402
from sr4k.models.training.recipe import Int8, Recipe, load_recipe, recipe_names  # noqa: E402
from sr4k.models.training.run import train_model  # noqa: E402
from sr4k.models.training.saved_run import CHECKPOINT  # noqa: E402
from sr4k.models.training.start import fresh, named  # noqa: E402
from sr4k.models.training.symmetry import TURNS  # noqa: E402
from sr4k.models.training.teach import taught  # noqa: E402
from sr4k.models.training.train import WEIGHTS, Trainer, loss_of  # noqa: E402

RCAN = RcanShape(groups=1, blocks=1, features=12)
LUMA = LumaShape(features=8, convs=1)
PIXELS = LumaShape(features=8, convs=1, stride=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("astronaut", "chelsea", "coffee"):
        cv2.imwrite(str(folder / f"{name}.png"), getattr(pictures, name)()[:200, :200, ::-1])
    return folder


def recipe(**changes: object) -> Recipe:
    small = {"model": "luma", "steps": 6, "batch": 2, "patch": 16, "every": 3, "warm_up": 2, "int8": {"steps": 3}}
    return Recipe.model_validate({**small, **changes})


def trainer(arch: Architecture, folder: Path, out: Path, **changes: object) -> Trainer:
    torch.manual_seed(0)
    pairs = load_pairs([folder], patch=16, keep=0.4)
    settings = recipe(**changes)
    source = partial(batches, pairs, patch=16, batch=settings.batch, seed=1)
    found = hash_of_pictures([folder])
    return Trainer(fresh(arch), settings, lambda start: source(start=start), out, pictures=found, validate=[])


def on_picture(net: Trainable, low: np.ndarray) -> np.ndarray:
    x = net.view(torch.from_numpy(low).permute(2, 0, 1)[None].float())
    with torch.no_grad():
        return upscale(net, x)[0].permute(1, 2, 0).numpy()


def test_a_fresh_rcan_is_an_exact_bicubic() -> None:
    low = imresize(pictures.astronaut()[:96, :96], 48, 48)
    inside = slice(8, -8)
    made = np.clip(np.rint(on_picture(TrainableRcan(RCAN), low)), 0, 255)
    difference = made[inside, inside].astype(int) - imresize(low, 96, 96)[inside, inside]
    assert np.abs(difference).max() <= 2  # imresize rounds and clips between rows and columns
    assert np.abs(difference).mean() < 0.3


def test_a_fresh_rcan_has_a_feature_for_each_output_pixel_of_a_cell() -> None:
    """The value that the body adds to such a feature reaches that pixel alone, in all three colours."""
    net = TrainableRcan(replace(RCAN, features=32))
    bias = net.body[-1].bias
    assert isinstance(bias, torch.Tensor)
    low = np.full((12, 12, 3), 100, np.uint8)
    plain = on_picture(net, low)
    with torch.no_grad():
        bias[12 + 4 * 1 + 3] = 7.0  # second row, fourth column
    added = on_picture(net, low) - plain
    expected = np.zeros((4, 4))
    expected[1, 3] = 7.0
    inside = added[8:-8, 8:-8]
    assert np.abs(inside - np.tile(expected, (2, 2))[..., None]).max() < 0.1, (
        "the tail has small random weights as well"
    )


@pytest.mark.slow(seconds=1)
def test_training_computes_the_published_form() -> None:
    """The folded network has the same output and, away from the border, the same gradients."""
    torch.manual_seed(0)
    net = TrainableRcan(RCAN).double()
    with torch.no_grad():
        for p in net.body.parameters():
            p.normal_(0, 0.1)
    x = torch.rand(1, 3, 48, 48, dtype=torch.float64) * 255
    inside = slice(36, -36)
    gradients = []
    for make in (net, lambda x: upscale(net, x)):
        net.zero_grad()
        made = make(x)[..., inside, inside]
        made.square().mean().backward()
        gradients.append((made.detach(), [p.grad.clone() for p in net.parameters() if p.requires_grad]))
    (value, published), (folded_value, folded) = gradients
    assert (value - folded_value).abs().max() < 1e-9
    for a, b in zip(published, folded, strict=True):
        assert torch.allclose(a, b, rtol=1e-6, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("arch", [RCAN, LUMA], ids=["rcan", "luma"])
def test_a_resumed_run_ends_where_the_uninterrupted_one_does(arch: Architecture, folder: Path, tmp_path: Path) -> None:
    whole = load_file(trainer(arch, folder, tmp_path / "whole").run())
    interrupted = trainer(arch, folder, tmp_path / "parts")
    source = batches(load_pairs([folder], patch=16, keep=0.4), patch=16, batch=2, seed=1, start=0)
    for _ in range(3):
        interrupted.train_step(next(source))
    interrupted.save()
    resumed = trainer(arch, folder, tmp_path / "parts")
    assert resumed.step == 3
    parts = load_file(resumed.run())
    assert whole.keys() == parts.keys()
    assert all(np.array_equal(whole[key], parts[key]) for key in whole)


@pytest.mark.slow
def test_training_moves_the_weights_but_not_the_mean_shifts(folder: Path, tmp_path: Path) -> None:
    run = trainer(RCAN, folder, tmp_path)
    before = {key: value.clone() for key, value in run.net.state_dict().items()}
    run.run()
    changed = {key for key, value in run.net.state_dict().items() if not torch.equal(value, before[key])}
    assert {"head.weight", "body.0.body.0.body.0.weight", "up.0.weight", "last.bias"} <= changed
    assert not {key for key in changed if "_mean" in key}


@pytest.mark.slow
@pytest.mark.parametrize("arch", [RCAN, LUMA, PIXELS], ids=["rcan", "luma", "pixels"])
def test_training_learns(arch: Architecture, folder: Path, tmp_path: Path) -> None:
    run = trainer(arch, folder, tmp_path, steps=60, batch=4)
    source = batches(load_pairs([folder], patch=16, keep=0.4), patch=16, batch=4, seed=1, start=0)
    errors = [run.train_step(next(source)) for _ in range(60)]
    assert np.mean(errors[-15:]) < 0.95 * np.mean(errors[:15])


def test_in_decibels_soft_windows_count_as_much_as_detailed_ones() -> None:
    errors = torch.rand(2, 1, 8, 8) * torch.tensor([0.03, 0.6])[:, None, None, None]
    better = [errors * torch.tensor(factors)[:, None, None, None] for factors in ([0.5, 1.0], [1.0, 0.5])]
    by_decibels, by_error = (
        [float(loss_of(errors, r, 0) - loss_of(x, r, 0)) for x in better] for r in (recipe(decibels=True), recipe())
    )
    assert by_decibels[0] == pytest.approx(by_decibels[1], rel=0.2)
    assert by_error[0] < 0.1 * by_error[1]


@pytest.mark.slow(seconds=1)
def test_an_equivariant_network_treats_all_orientations_alike(folder: Path, tmp_path: Path) -> None:
    run = trainer(replace(PIXELS, features=16), folder, tmp_path, model="luma-large", equivariant=True, steps=30)
    before = run.average.body[0].weight.clone()
    run.run()
    assert (run.average.body[0].weight - before).abs().max() > 1e-3  # it learnt
    picture = pictures.astronaut()[:40, :48]
    whole = on_picture(run.average, picture)
    for turn in TURNS:
        turned = turn.of(torch.from_numpy(picture).permute(2, 0, 1)).permute(1, 2, 0).numpy()
        of_turned = torch.from_numpy(on_picture(run.average, turned)).permute(2, 0, 1)
        np.testing.assert_allclose(turn.back(of_turned)[0].numpy(), whole[..., 0], atol=2e-2)


@pytest.mark.slow(seconds=1)
def test_a_run_is_not_resumed_with_another_recipe(folder: Path, tmp_path: Path) -> None:
    trainer(LUMA, folder, tmp_path).run()
    with pytest.raises(OptionError, match=r"from a run of another recipe \(learning_rate 0\.01, now 0\.5\)"):
        trainer(LUMA, folder, tmp_path, learning_rate=0.5)


@pytest.fixture(scope="module")
def started(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted after its first checkpoint."""
    out = tmp_path_factory.mktemp("run")
    trainer(LUMA, folder, out / "float").save()
    return out


def changed_pictures(folder: Path, other: Path, change: str) -> Path:
    """Copy pictures to another folder, and change them there."""
    shutil.copytree(folder, other)
    first, second, _ = sorted(other.iterdir())
    if change == "one more":
        shutil.copy(first, other / "more.png")
    if change == "one less":
        first.unlink()
    if change == "another":
        assert cv2.imwrite(str(first), pictures.astronaut()[200:400, :200])
    if change == "another order":
        first.rename(other / "last.png")
    if change == "other names":
        second.rename(other / "cat.png")
    return other


@pytest.mark.slow
@pytest.mark.parametrize("change", ["one more", "one less", "another", "another order"])
def test_a_run_is_not_resumed_with_other_pictures(change: str, folder: Path, started: Path, tmp_path: Path) -> None:
    other = changed_pictures(folder, tmp_path / "other", change)
    before = (started / "float" / CHECKPOINT).read_bytes()
    with pytest.raises(OptionError, match=r"is from a run on other pictures, or of an older version: choose another "):
        train_model(recipe(), [other], started, validate=[])
    with pytest.raises(OptionError, match="on other pictures"):
        trainer(LUMA, other, started / "float")
    assert {path.name for path in started.rglob("*.*")} == {CHECKPOINT, WEIGHTS}
    assert (started / "float" / CHECKPOINT).read_bytes() == before


def test_a_run_is_resumed_with_the_same_pictures_of_other_names(folder: Path, started: Path, tmp_path: Path) -> None:
    trainer(LUMA, changed_pictures(folder, tmp_path / "other", "other names"), started / "float")


def test_a_checkpoint_of_an_older_version_is_refused_as_one_on_other_pictures(folder: Path, tmp_path: Path) -> None:
    trainer(LUMA, folder, tmp_path).save()
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    del state["pictures"]
    torch.save(state, tmp_path / CHECKPOINT)
    with pytest.raises(OptionError, match="on other pictures, or of an older version"):
        trainer(LUMA, folder, tmp_path)


def test_a_training_that_diverges_ends_at_once_and_keeps_what_was_saved_before(folder: Path, tmp_path: Path) -> None:
    good = trainer(LUMA, folder, tmp_path)
    good.save()
    before = (tmp_path / CHECKPOINT).read_bytes()
    blown = trainer(LUMA, folder, tmp_path / "other", learning_rate=1000)
    blown.out = tmp_path
    with pytest.raises(OptionError, match=r"diverges at step \d: use a smaller learning_rate or adam_learning_rate"):
        blown.run()
    assert blown.step < 3
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_weights_that_diverge_in_the_last_step_are_not_saved(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="diverges at step 1: "):
        trainer(LUMA, folder, tmp_path, steps=1, warm_up=1, adam_learning_rate=1000).run()
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("damage", [lambda whole: whole[:1000], lambda _whole: b"", lambda _whole: b"rubbish"])
def test_a_damaged_checkpoint_is_refused(damage: Callable[[bytes], bytes], folder: Path, tmp_path: Path) -> None:
    trainer(LUMA, folder, tmp_path).save()
    checkpoint = tmp_path / CHECKPOINT
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(OptionError, match="is damaged: remove it to begin this part of the run again"):
        trainer(LUMA, folder, tmp_path)


@pytest.mark.slow(seconds=1)
def test_a_run_resumes_even_if_its_other_files_were_lost(folder: Path, tmp_path: Path) -> None:
    whole = load_file(trainer(LUMA, folder, tmp_path).run())
    history = (tmp_path / HISTORY).read_text()
    (tmp_path / WEIGHTS).write_bytes(b"cut off")
    (tmp_path / HISTORY).write_text(history + '{"step": 9')
    again = trainer(LUMA, folder, tmp_path)
    assert all(np.array_equal(whole[key], array) for key, array in load_file(again.run()).items())
    assert [entry["step"] for entry in again._history] == [3, 6]


@pytest.mark.parametrize(("seconds", "steps"), [(0.0, [1, 2, 3, 4, 5, 6]), (1e9, [3, 6])])
def test_the_pace_is_told_from_time_to_time(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    steps: list[int],
) -> None:
    monkeypatch.setattr("sr4k.models.training.train._TELL_EVERY", seconds)
    caplog.set_level("INFO")
    trainer(LUMA, folder, tmp_path).run()
    told = [line for line in caplog.messages if "ms/step, 0:0" in line]
    assert [line.split()[1] for line in told] == [f"{step}/6" for step in steps]


def test_without_matplotlib_a_run_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(OptionError, match=r"Plots need matplotlib"):
        train_model(recipe(), [tmp_path / "not there"], tmp_path / "out", validate=[])
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("start_from", [None, "luma"])
def test_a_whole_run_makes_a_model_that_loads(folder: Path, tmp_path: Path, start_from: str | None) -> None:
    (other := tmp_path / "other" / folder.name).mkdir(parents=True)
    assert cv2.imwrite(str(other / "coffee.png"), pictures.coffee()[200:232, :32, ::-1])
    quick = recipe(start_from=start_from, steps=4, every=2)
    train_model(quick, [folder], tmp_path, validate=[folder, other])
    (first, *_) = (tmp_path / "float" / HISTORY).read_text().splitlines()
    assert [*json.loads(first)["psnr_y"]] == [f"{each.parent.name}/{each.name}" for each in (folder, other)]
    model = zoo.load("luma", tmp_path)
    assert model.int8_weights is not None
    assert model.quantized(None).network.quantised == (*(f"body.{k}" for k in range(model.arch.convs)), "tail")
    assert (tmp_path / "training.png").stat().st_size > 10_000


def test_the_target_of_the_int8_form_can_be_the_output_of_the_float_form(folder: Path) -> None:
    torch.manual_seed(0)
    net = fresh(LUMA)
    model = zoo.Model("luma", LUMA, {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()})
    pairs = load_pairs([folder], patch=16, keep=0.4)
    source = partial(batches, pairs, patch=16, batch=2, seed=1)
    given = next(source(start=5))
    whole, half = (
        next(with_own_output(lambda start: source(start=start), model, Int8(own=share))(5)) for share in (1.0, 0.5)
    )
    low, high = (net.view(torch.from_numpy(array)) for array in (given.low, given.high))
    with torch.no_grad():
        own = upscale_window(net, low, TorchOps(net.convs()))
    assert np.array_equal(whole.low, low.numpy())
    assert np.array_equal(whole.high, own.numpy())
    assert np.allclose(half.high, (own + high).numpy() / 2, atol=1e-3)


class TestInt8:
    def test_the_roundings_of_training_are_those_of_the_deployed_network(self, folder: Path) -> None:
        """Fake quantisation in PyTorch and `quantize` round to the same weights."""
        torch.manual_seed(0)
        net = LumaNet(LUMA)
        model = zoo.Model("luma", LUMA, {key: value.numpy() for key, value in net.state_dict().items()})
        folded = model.folded(None)
        calibration = calibrate(folded, [folder], pictures=2)
        ops = Int8Net(net, folded, calibration).rounded()
        deployed = zoo.Model("luma", LUMA, model.weights, calibration).quantized(None)
        gain = calibration.gains["layer.0"]
        rounded = deployed.network.convs["body.0"].kernel / gain[None, :, None, None]
        rounded = rounded * calibration.gains["layer.1"][:, None, None, None]
        assert np.abs(ops.convs["body.0"].kernel.detach().numpy() - rounded).max() < 1e-5

    def test_learned_step_sizes_are_deployed_as_they_were_learned(self, folder: Path) -> None:
        """Exact integers give what training computes with its roundings."""
        torch.manual_seed(0)
        net = LumaNet(LUMA)
        torch.nn.init.normal_(net.tail.weight, std=0.1)  # so that there is detail
        model = zoo.Model("luma", LUMA, {key: value.detach().numpy() for key, value in net.state_dict().items()})
        folded = model.folded(None)
        learned = Int8Net(net, folded, calibrate(folded, [folder], pictures=2))
        with torch.no_grad():
            for name, steps in learned.named_parameters():
                if not name.startswith("net.") and steps.requires_grad:
                    steps += 0.3 * torch.rand_like(steps)
        deployed = replace(model, calibration=learned.calibration()).quantized(None)
        rgb = torch.from_numpy(load_pairs([folder], patch=16, keep=1.0)[0].low.transpose(2, 0, 1)[None].copy()).float()
        with torch.no_grad():
            trained = upscale(learned, learned.view(rgb), learned.rounded())
        exact = luma_of(IntegerExecutor(deployed).picture(padded(rgb).double()))
        plain = upscale(LumaNet(LUMA), learned.view(rgb)).detach()
        assert float((trained - exact).abs().max()) < 0.1
        assert float((trained - plain).abs().max()) > 5

    def test_gradients_pass_a_rounding_and_stop_at_a_clip(self) -> None:
        from sr4k.models.training.int8_net import _on_grid

        x = torch.tensor([0.3, 10.0, 200.0], requires_grad=True)
        made = _on_grid(x, torch.tensor(1.0))
        made.sum().backward()
        assert made.tolist() == [0.0, 10.0, 127.0]
        assert x.grad is not None and x.grad.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.slow(seconds=1)
def test_a_teacher_is_a_share_of_the_target(folder: Path) -> None:
    teacher = zoo.load("luma").folded(None)
    pairs = load_pairs([folder], patch=16, keep=0.4)
    real, half, whole = (list(taught(pairs, [teacher], share)) for share in (0.0, 0.5, 1.0))
    for pair, unchanged, mixed, made in zip(pairs, real, half, whole, strict=True):
        assert np.array_equal(unchanged.high, pair.high)
        unclipped = (made.high > 0) & (made.high < 255)
        assert np.abs(mixed.high.astype(float) - (made.high.astype(float) + pair.high) / 2)[unclipped].max() <= 1
        assert 0.5 < np.abs(made.high.astype(float) - pair.high).mean() < 10


@pytest.mark.slow(seconds=1)
def test_unknown_weights_to_start_from_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="'lumma' is neither a network that ships nor the path of weights of luma"):
        train_model(recipe(start_from="lumma"), [folder], tmp_path, validate=[])
    with pytest.raises(OptionError, match="No weights of rcan-full ship with the package: give the path"):
        named("rcan-full", "luma")


@pytest.mark.slow
def test_pictures_that_cannot_be_validated_on_are_told_before_training(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    cv2.imwrite(str(tmp_path / "small" / "one.png"), np.zeros((12, 30, 3), np.uint8))
    for name, said in (("none", "none does not exist"), ("small", "one.png is 30x12, .* from 16x16 pixels on")):
        with pytest.raises(InputError, match=said):
            train_model(recipe(), [folder], tmp_path / "run", validate=[tmp_path / name])
    assert not (tmp_path / "run").exists()


@pytest.mark.slow(seconds=1)
def test_several_teachers_are_averaged(folder: Path) -> None:
    luma, large = (zoo.load(name).folded(None) for name in ("luma", "luma-large"))
    pairs = load_pairs([folder], patch=16, keep=0.4)[:1]
    one, other, both = (
        next(taught(pairs, teachers, 1.0)).high.astype(float) for teachers in ([luma], [large], [luma, large])
    )
    unclipped = (np.minimum(one, other) > 0) & (np.maximum(one, other) < 255)
    assert np.abs(one - other)[unclipped].max() > 3
    assert np.abs(both - (one + other) / 2)[unclipped].max() <= 1


class TestRecipes:
    @pytest.mark.parametrize("name", recipe_names())
    def test_shipped_recipes_are_of_models_that_can_be_trained(self, name: str) -> None:
        fresh(catalogue.architecture(load_recipe(name).model))

    def test_a_wrong_key_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "mine.yaml").write_text("model: luma\nlerning_rate: 1\n")
        with pytest.raises(OptionError, match="lerning_rate"):
            load_recipe(str(tmp_path / "mine.yaml"))

    def test_the_error_on_an_unknown_recipe_lists_the_known_ones(self) -> None:
        with pytest.raises(OptionError, match=r"no recipe 'mine'. Known: luma, "):
            load_recipe("mine")


def test_windows_are_drawn_where_the_detail_is(tmp_path: Path) -> None:
    picture = np.full((128, 256, 3), 128, np.uint8)
    picture[:, 128:] = np.random.default_rng(0).integers(0, 256, (128, 128, 3))
    cv2.imwrite(str(tmp_path / "half.png"), picture)
    (pair,) = load_pairs([tmp_path], patch=32, keep=0.3)
    assert (pair.windows[:, 1] >= 48).all()


def test_pictures_too_small_for_a_window_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, side in (("large", 64), ("just", 54), ("less", 53), ("dot", 1)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), pictures.chelsea()[:side, :80, ::-1])
    assert len(load_pairs([tmp_path], patch=27, keep=1.0)) == 2
    assert len(load_pairs([tmp_path], patch=32, keep=1.0, resized=[1.2])) == 3, "one as it is, two enlarged"
    assert caplog.messages == [
        "2 pictures are left out: they are smaller than 54x54 pixels.",
        "2 pictures are left out: they are smaller than 54x54 pixels.",
    ]
    with pytest.raises(InputError, match="every picture has a side of less than 66 pixels, and larger ones"):
        load_pairs([tmp_path], patch=33, keep=1.0)


def test_smaller_larger_and_softer_pictures_are_added(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "cat.png"), pictures.chelsea()[:200, :300, ::-1])
    versions = load_pairs([tmp_path], patch=16, keep=1.0, resized=[0.5, 1.2], softer=[1.0])
    assert len(load_pairs([tmp_path], patch=16, keep=1.0, resized=[0.001])) == 1, "smaller than a window"
    assert [pair.high.shape for pair in versions] == [(200, 300, 3), (100, 150, 3), (240, 360, 3), (200, 300, 3)]
    whole, half, larger, soft = (cv2.Laplacian(pair.high, cv2.CV_64F).var() for pair in versions)
    assert half > whole > 3 * soft
    assert whole > 1.2 * larger
    for pair in versions:
        assert np.array_equal(imresize(pair.high, *pair.low.shape[:2]), pair.low)


@pytest.mark.parametrize("relit", [0.0, 1.0])
def test_batches_pair_windows_exactly(folder: Path, relit: float) -> None:
    pairs = load_pairs([folder], patch=16, keep=1.0)
    low, high, *_ = next(batches(pairs, patch=16, batch=8, seed=0, start=0, relit=relit))
    assert low.shape == (8, 3, 16, 16)
    for small, large in zip(low, high, strict=True):
        shrunk = imresize(np.rint(large).astype(np.uint8).transpose(1, 2, 0), 16, 16).transpose(2, 0, 1)
        inside = slice(3, -3)
        steps = 1 + 3 * relit  # roundings are stretched
        assert np.abs(shrunk[:, inside, inside] - small[:, inside, inside]).max() <= steps


def test_relit_windows_have_less_or_more_contrast_and_half_are_inverted(folder: Path) -> None:
    pairs = load_pairs([folder], patch=16, keep=1.0)
    slopes = []
    for step in range(40):
        plain, relit = (
            next(batches(pairs, patch=16, batch=1, seed=0, start=step, relit=share))[1].ravel() for share in (0.0, 1.0)
        )
        slope, offset = np.polyfit(plain, relit, 1)
        assert np.allclose(slope * plain + offset, relit, atol=0.01)
        assert relit.min() >= 0 and relit.max() <= 255
        slopes.append(slope)
    steepness = np.abs(slopes)
    assert steepness.min() < 0.8 and steepness.max() > 1.2
    assert 10 < sum(slope < 0 for slope in slopes) < 30


def test_a_rare_peak_is_clipped_for_finer_steps() -> None:
    values = np.append(np.random.default_rng(0).normal(0, 1, 100_000), 100.0)
    assert 3 < best_clip(values) < 80


@pytest.mark.slow(seconds=1)
def test_calibration_fits_pure_colours(folder: Path) -> None:
    """Values that pure colours need are not clipped, however rare they are in photographs."""
    weights = {key: value.numpy() for key, value in TrainableRcan(RCAN).state_dict().items()}
    network = zoo.Model("rcan", RCAN, weights).folded(None)
    gain = calibrate(network, [folder], pictures=2).gains["stream"]
    assert (127 * gain[:12] > 255 * (1 - 0.4488) - 0.01).all(), "the skip holds each pixel less the mean colour"


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No pictures below"):
        load_pairs([tmp_path], patch=16, keep=1.0)
