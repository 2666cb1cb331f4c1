"""Training in miniature."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file
from skimage import data as pictures

from sr4k.errors import InputError, OptionError
from sr4k.models.architecture import Architecture
from sr4k.models.evaluate import bicubic, mean_psnr_y
from sr4k.models.resize import imresize

torch = pytest.importorskip("torch")

from sr4k.models.rcan import Rcan, initialise_bicubic  # noqa: E402
from sr4k.models.training.calibrate import best_clip, calibrate  # noqa: E402
from sr4k.models.training.data import batches, load_pairs  # noqa: E402
from sr4k.models.training.train import Trainer, TrainSettings, upscale_rgb  # noqa: E402

ARCH = Architecture(groups=1, blocks=1, features=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("astronaut", "chelsea", "coffee"):
        cv2.imwrite(str(folder / f"{name}.png"), getattr(pictures, name)()[:200, :200, ::-1])
    return folder


def settings(folder: Path, out: Path, **changes: object) -> TrainSettings:
    defaults = {"steps": 6, "batch": 2, "patch": 16, "every": 3, "warm_up": 2}
    return TrainSettings([folder], out, ARCH, **{**defaults, **changes})  # type: ignore[arg-type]


def test_the_fresh_network_is_an_exact_bicubic() -> None:
    net = Rcan(ARCH)
    initialise_bicubic(net)
    low = imresize(pictures.astronaut()[:96, :96], 48, 48)
    inside = slice(8, -8)
    difference = upscale_rgb(net, low)[inside, inside].astype(int) - imresize(low, 96, 96)[inside, inside]
    assert np.abs(difference).max() <= 2  # imresize rounds and clips between rows and columns
    assert np.abs(difference).mean() < 0.3


def test_the_collapsed_tail_trains_the_published_parameters() -> None:
    torch.manual_seed(0)
    net = Rcan(ARCH).double()
    x = torch.rand(1, 3, 16, 20, dtype=torch.float64) * 255
    inside = slice(1, -1)
    assert (net(x) - net.forward_collapsed(x))[..., inside, inside].abs().max() < 1e-9
    target = torch.rand(1, 3, 32, 40, dtype=torch.float64) * 255
    gradients = []
    for forward in (net.forward, net.forward_collapsed):
        net.zero_grad()
        ((forward(x) - target)[..., inside, inside] ** 2).mean().backward()
        gradients.append([p.grad.clone() for p in net.parameters() if p.requires_grad])
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, rtol=1e-6, atol=1e-8)


def test_a_resumed_run_ends_where_the_uninterrupted_one_does(folder: Path, tmp_path: Path) -> None:
    whole = load_file(Trainer(settings(folder, tmp_path / "whole")).run())
    interrupted = Trainer(settings(folder, tmp_path / "parts"))
    source = batches(load_pairs([folder], patch=16, keep=0.4), patch=16, batch=2, seed=1, start=0)
    for _ in range(3):
        interrupted._train_step(*next(source))
    interrupted._save()
    resumed = Trainer(settings(folder, tmp_path / "parts"))
    assert resumed.step == 3
    parts = load_file(resumed.run())
    assert whole.keys() == parts.keys()
    assert all(np.array_equal(whole[key], parts[key]) for key in whole)


def test_training_moves_the_weights_but_not_the_mean_shifts(folder: Path, tmp_path: Path) -> None:
    trainer = Trainer(settings(folder, tmp_path))
    before = {key: value.clone() for key, value in trainer.net.state_dict().items()}
    trainer.run()
    changed = {key for key, value in trainer.net.state_dict().items() if not torch.equal(value, before[key])}
    assert {"head.weight", "up.weight", "last.bias"} <= changed
    assert not {key for key in changed if "_mean" in key}


def test_a_run_is_not_resumed_with_other_settings(folder: Path, tmp_path: Path) -> None:
    Trainer(settings(folder, tmp_path)).run()
    with pytest.raises(OptionError, match="other settings"):
        Trainer(settings(folder, tmp_path, learning_rate=0.5))


def test_windows_are_drawn_where_the_detail_is(tmp_path: Path) -> None:
    picture = np.full((128, 256, 3), 128, np.uint8)
    picture[:, 128:] = np.random.default_rng(0).integers(0, 256, (128, 128, 3))
    cv2.imwrite(str(tmp_path / "half.png"), picture)
    (pair,) = load_pairs([tmp_path], patch=32, keep=0.3)
    assert (pair.windows[:, 1] >= 48).all()


def test_batches_pair_windows_exactly(folder: Path) -> None:
    low, high = next(batches(load_pairs([folder], patch=16, keep=1.0), patch=16, batch=8, seed=0, start=0))
    assert low.shape == (8, 3, 16, 16)
    for small, large in zip(low, high, strict=True):
        shrunk = imresize(large.transpose(1, 2, 0), 16, 16).transpose(2, 0, 1)
        inside = slice(3, -3)
        assert np.abs(shrunk[:, inside, inside].astype(int) - small[:, inside, inside]).max() <= 1


def test_clipping_gives_up_a_rare_peak_for_finer_steps() -> None:
    values = np.append(np.random.default_rng(0).normal(0, 1, 100_000), 100.0)
    assert 3 < best_clip(values) < 80


def test_calibration_fits_pure_colours(folder: Path) -> None:
    net = Rcan(ARCH)
    initialise_bicubic(net)
    weights = {key: value.numpy() for key, value in net.state_dict().items()}
    gain = calibrate(ARCH, weights, [folder], pictures=2).gain
    assert (127 * gain[:12] > 255 * (1 - 0.4488) - 0.01).all(), "the skip holds each pixel less the mean colour"


def test_bicubic_scores_as_published_on_flat_ground(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((40, 40, 3), 90, np.uint8))
    assert mean_psnr_y(tmp_path, bicubic) == float("inf")


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No pictures below"):
        load_pairs([tmp_path], patch=16, keep=1.0)
