"""Checkpoints of the architectures that people pass around become ONNX that gives PyTorch's picture."""

import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from skimage import data as pictures

pytest.importorskip("torch")
pytest.importorskip("resselt")

import torch
from architectures import SMALL, small
from clips import write_clip
from numpy.typing import NDArray
from safetensors.torch import save_file

from sr4k import Job
from sr4k.engines import EngineSpec, load_engine
from sr4k.engines.foreign_probe import probe, ran
from sr4k.engines.foreign_tiles import ForeignTiles
from sr4k.engines.foreign_trial import probed
from sr4k.errors import OptionError
from sr4k.models.foreign.card import Card
from sr4k.models.foreign.from_checkpoint import MOST_APART, converted, load_network
from sr4k.models.foreign.photographs import photograph
from sr4k.models.foreign.planes_graph import Picture, planes_graph
from sr4k.models.foreign.store import hash_of_file, keep_card
from sr4k.models.geometry import PAD_AFTER, PAD_BEFORE

Array = NDArray[np.float32]

PHOTO = np.ascontiguousarray(pictures.astronaut()[52:116, 182:246].transpose(2, 0, 1), np.float32) / 255
"""A part of a photograph, (3, 64, 64)."""


def written(name: str, folder: Path, suffix: str = ".pth") -> Path:
    """Write a small network as a checkpoint."""
    state = small(name).state_dict()
    path = folder / f"net{suffix}"
    if suffix == ".safetensors":
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    else:
        torch.save({"params_ema": state}, path)
    return path


def unprobed(_graph: bytes) -> Card:
    """Stand in for the test of a network, which has tests of its own."""
    return Card(scale=1, channels=3, peak=1, parameters=0, macs_per_pixel=0, bytes_per_pixel=0, sha256="")


@pytest.mark.slow(seconds=2)
@pytest.mark.parametrize("name", SMALL)
def test_a_photograph_becomes_what_pytorch_makes_of_it_in_float16_for_tensorrt_too(name: str, tmp_path: Path) -> None:
    path = written(name, tmp_path, ".safetensors" if name in ("SPAN", "RCAN") else ".pth")
    card = converted(path, tmp_path / "made.onnx", unprobed, ran)
    network, architecture = load_network(path)
    assert card.architecture == architecture and architecture.lower() in name.lower()
    assert card.parameters == sum(each.numel() for each in network.parameters())
    with torch.inference_mode():
        wanted = network(torch.from_numpy(PHOTO)[None])[0].numpy()
    (made,) = onnxruntime.InferenceSession(tmp_path / "made.onnx").run(None, {"pixels": PHOTO[None]})
    assert made.shape == (1, 3, 64 * SMALL[name][0], 64 * SMALL[name][0])
    assert np.abs(made[0] - wanted).max() <= MOST_APART
    graph, scaled = (tmp_path / "made.onnx").read_bytes(), replace(card, scale=SMALL[name][0])
    around = ((0, 0), *[(PAD_BEFORE, PAD_AFTER)] * 2)
    padded = np.pad(255 * PHOTO, around, mode="edge")
    whole = planes_graph(graph, scaled, Picture(height=64, width=64, colour=None), half=True)
    (planes,) = onnxruntime.InferenceSession(whole.SerializeToString()).run(None, {"rgb": padded[None]})
    assert np.abs(planes[0] - 255 * wanted).max() <= 4  # of 255 levels


@pytest.mark.slow
def test_onnx_that_differs_from_pytorch_on_photographs_alone_is_refused(tmp_path: Path) -> None:
    compared: list[int] = []

    def differs(graph: bytes, picture: Array) -> Array:
        numbers = [k for k in range(3) if np.array_equal(picture, photograph(k, *picture.shape))]
        compared.extend(numbers)
        return ran(graph, picture) + np.float32(0.0011 * (2 in numbers))

    with pytest.raises(OptionError, match=r"ONNX makes another picture of it, by up to 0\.0011"):
        converted(written("Compact", tmp_path), tmp_path / "made.onnx", unprobed, differs)
    assert compared == [0, 1, 2]
    assert not (tmp_path / "made.onnx").exists()


def test_the_photographs_that_ship_are_what_they_are_said_to_be() -> None:
    for number, (picture, top) in enumerate(((pictures.astronaut(), 0), (pictures.chelsea(), 60))):
        part = picture[top : top + 160, 140:300].transpose(2, 0, 1) / 255
        assert np.abs(photograph(number, 3, 160, 160) - part).mean() < 0.02, "JPEG changes them a little"
    inner, luma = photograph(2, 3, 60, 80), photograph(2, 1, 60, 80)
    assert np.array_equal(inner, photograph(2, 3, 160, 160)[:, 50:110, 40:120])
    assert luma.shape == (1, 60, 80) and inner.min(0).min() <= luma.min() < luma.max() <= inner.max()


def _through(key: str, weights: Any) -> Any:
    """Return weights with which ESRGAN gives the picture back: its layers around the blocks pass it on."""
    if weights.dim() != 4 or key.startswith(("model.1.", "body.")):
        return weights
    return 0.1 * weights + torch.nn.init.dirac_(torch.empty_like(weights))


@pytest.mark.slow(seconds=3)
@pytest.mark.parametrize("name", ["Compact x1", "ESRGAN"])
def test_what_is_found_out_about_it_is_true(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"params_ema": {key: _through(key, each) for key, each in small(name).state_dict().items()}}, path)
    card = probed(path, tmp_path / "made.onnx")
    assert (card.scale, card.channels, card.multiple, card.peak) == (SMALL[name][0], 3, 1, 1)
    assert card.reach is not None and card.reach <= {"Compact x1": 4, "ESRGAN": 20}[name]
    assert card.macs_per_pixel == probe((tmp_path / "made.onnx").read_bytes(), 0).macs_per_pixel


@pytest.mark.slow
def test_tiles_of_attention_within_windows_give_the_picture_of_one_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "models"))
    converted(written("SwinIR", tmp_path), tmp_path / "made.onnx", unprobed, ran)
    found = {"scale": 2, "multiple": 8, "reach": 22, "bytes_per_pixel": 1000}  # as its test finds, in seven seconds
    keep_card(replace(unprobed(b""), sha256=hash_of_file(tmp_path / "made.onnx"), **found))
    planes = [np.pad(255 * photograph(0, 3, 128, 128), ((0, 0), *[(PAD_BEFORE, PAD_AFTER)] * 2), mode="edge")]
    spec = EngineSpec(model=str(tmp_path / "made.onnx"), height=128, width=128, colour=None, rounded=True)
    with ForeignTiles(load_engine("openvino"), spec) as whole:
        wanted = whole.infer(planes).copy()
    with ForeignTiles(load_engine("openvino"), spec, most_bytes=1000 * 96**2) as tiles:
        assert tiles.describe()["tiles"] > 1
        np.testing.assert_array_equal(tiles.infer(planes), wanted)


@pytest.mark.slow(seconds=10)
def test_each_architecture_makes_a_video_from_file_to_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "models"))
    clip = write_clip(tmp_path / "in.mkv", frames=2, size=(64, 64))
    for name, (scale, _) in SMALL.items():
        made = tmp_path / f"{name}.onnx"
        converted(written(name, tmp_path), made, unprobed, ran)
        found = {"scale": scale, "multiple": 16, "bytes_per_pixel": 1000}
        keep_card(replace(unprobed(b""), sha256=hash_of_file(made), **found))
        done = Job(clip, tmp_path / f"{name}.mkv", model=str(made), workers="threads").run()
        assert (done.frames, done.video.width, done.video.height) == (2, scale * 64, scale * 64), name


class _Runs:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("ran"),)


@pytest.mark.parametrize("suffix", [".pth", ".ckpt"])
def test_a_checkpoint_that_would_run_code_is_refused_without_running_it(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"net{suffix}"
    torch.save({"params": {"body.0.weight": _Runs()}}, path)
    with pytest.raises(OptionError, match="more than tensors"):
        load_network(path)
    path.write_bytes(pickle.dumps(_Runs()))
    with pytest.raises(OptionError, match=r"refused|can't be read"):
        load_network(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_is_no_checkpoint_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    for content in (b"", b"a cat", b"\xff" * 200):
        path.write_bytes(content)
        with pytest.raises(OptionError, match=r"refused|can't be read as .*: (it is none|[A-Z])"):
            load_network(path)
    with pytest.raises(OptionError, match="is no checkpoint"):
        load_network(tmp_path / "none.pth")


def test_an_archive_that_would_grow_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", bytes(1 << 20))
    with pytest.raises(OptionError, match="compressed or overlap"):
        load_network(tmp_path / "net.pth")


@pytest.mark.parametrize("number", [1, 1000])
def test_tensors_that_repeat_what_is_in_the_file_without_end_are_refused(number: int, tmp_path: Path) -> None:
    once = torch.zeros(1 << 18)
    views = once[:1].expand(10**5, 10**5) if number == 1 else once
    torch.save({f"body.{k}.weight": views for k in range(5 * number)}, tmp_path / "net.pth")
    with pytest.raises(OptionError, match=r"tensor 'body\.\d+\.weight' is said to be .* and isn't all there"):
        load_network(tmp_path / "net.pth")


def test_weights_that_are_not_finite_and_unknown_architectures_are_refused(tmp_path: Path) -> None:
    state = small("Compact").state_dict()
    state["body.0.weight"][0] = torch.nan
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(OptionError, match="not finite"):
        load_network(tmp_path / "net.pth")
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "net.pth")
    with pytest.raises(OptionError, match="no architecture that resselt recognises"):
        load_network(tmp_path / "net.pth")


def test_weights_that_do_not_fit_the_architecture_of_their_names_are_refused_with_what_differs(tmp_path: Path) -> None:
    torch.save({"body.0.weight": torch.zeros(8, 3, 3, 3), "body.1.weight": torch.zeros(8)}, tmp_path / "net.pth")
    with pytest.raises(OptionError, match=r"the names of Compact's weights, but .* \('body\.1\.bias' is missing\)"):
        load_network(tmp_path / "net.pth")
    state = small("ESRGAN").state_dict()
    name = "model.1.sub.0.RDB1.conv1.0.bias"
    torch.save(state | {name: torch.zeros(8)}, tmp_path / "net.pth")
    with pytest.raises(OptionError, match=rf"of ESRGAN's weights, but .* \({name} is \(8,\), not \(32,\)\): export"):
        load_network(tmp_path / "net.pth")
