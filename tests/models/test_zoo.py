import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from sr4k.errors import OptionError
from sr4k.models import catalogue, zoo
from sr4k.models.architecture import LumaShape, RcanShape
from sr4k.models.colour import Colour

SHIPPED = [name for name in catalogue.ARCHITECTURES if zoo.has_weights(name)]
STORED = [name for name in SHIPPED if name not in catalogue.SHARED]
FOR_DAMAGED = "luma-restore"


def test_what_ships() -> None:
    assert set(SHIPPED) == {"luma", "luma-fast", "luma-large", "luma-restore", "rcan", "rcan2", "rcan-basicsr"}


def test_the_weights_of_some_follow_the_source() -> None:
    assert {name for name in SHIPPED if len(zoo.grades(name)) > 1} == catalogue.FOLLOWING


@pytest.mark.parametrize("name", STORED)
def test_shipped_models_are_trained_and_fit_their_architecture(name: str) -> None:
    model = zoo.load(name)
    assert sum(w.size for w in model.weights.values()) == model.arch.parameters()
    body = [w for key, w in model.weights.items() if key.startswith("body") and key.endswith("weight")]
    assert all(np.abs(kernel).max() > 0.01 for kernel in body), "still as it was initialised"


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_run_in_float_and_int8(name: str) -> None:
    model = zoo.load(name)
    for colour in (Colour(), None):
        assert model.folded(colour).outputs == (48 if colour is None else 24)
        assert model.quantized(colour).network.quantised


@pytest.mark.parametrize("name", STORED)
def test_every_shipped_model_has_a_card(name: str) -> None:
    card = (Path(str(zoo.files("sr4k.models.weights"))) / f"{name}.md").read_text()
    for word in ("Data", "Licence", "steps", "Set5", "sr4k train"):
        assert word in card


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_has_been_measured(name: str) -> None:
    for folder in ("Set5", "Set14"):
        quality = zoo.measured()[name][folder]
        assert quality["fp32"]["psnr"] > quality["bicubic"]["psnr"] + (0.5 if name == FOR_DAMAGED else 1.5)


def test_the_error_on_an_unknown_model_lists_the_known_ones() -> None:
    with pytest.raises(OptionError, match=r"no model 'rcan9'. Known: luma, "):
        zoo.load("rcan9")


def test_a_model_without_weights_asks_for_a_checkpoint() -> None:
    with pytest.raises(OptionError, match=r"No weights of rcan-full ship .* with weights"):
        zoo.load("rcan-full")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="a checkpoint needs PyTorch")
def test_the_papers_network_is_not_for_video(tmp_path: Path) -> None:
    import torch

    from sr4k.models.rcan import Rcan

    arch = catalogue.architecture("rcan-full")
    assert isinstance(arch, RcanShape)
    torch.save(Rcan(arch).state_dict(), tmp_path / "full.pt")
    with pytest.raises(OptionError, match="too heavy for video"):
        zoo.load("rcan-full", tmp_path / "full.pt").folded(Colour())


def test_a_bare_checkpoint_runs_in_float_alone(tmp_path: Path) -> None:
    save_file(dict(zoo.load("rcan2").weights), tmp_path / "mine.safetensors")
    model = zoo.load("rcan2", tmp_path / "mine.safetensors")
    assert model.folded(None).outputs == 48
    with pytest.raises(OptionError, match="no int8 calibration"):
        model.quantized(None)


def test_a_model_survives_storage(tmp_path: Path) -> None:
    shipped = zoo.load("luma")
    tuned = {key: 0.9 * array for key, array in shipped.weights.items()}
    model = zoo.Model("luma", shipped.arch, shipped.weights, shipped.calibration, tuned)
    zoo.save(tmp_path, model)
    again = zoo.load("luma", tmp_path)
    assert again.int8_weights is not None
    assert all(np.array_equal(again.int8_weights[key], array) for key, array in tuned.items())
    one, other = (m.quantized(Colour()).network.convs["tail"].kernel for m in (model, again))
    assert np.array_equal(one, other)


def test_a_checkpoint_without_pytorch_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sr4k.models.checkpoint", None)
    (tmp_path / "mine.pth").write_bytes(b"")
    with pytest.raises(OptionError, match=r"needs PyTorch: pip install 'sr4k-stream\[torch\]'"):
        zoo.load("rcan2", tmp_path / "mine.pth")


def test_files_that_are_not_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rcan2.safetensors").write_bytes(b"rubbish")
    with pytest.raises(OptionError, match="can't be read as safetensors"):
        zoo.load("rcan2", tmp_path)


def test_what_a_folder_lacks_and_what_it_has_are_named(tmp_path: Path) -> None:
    zoo.save(tmp_path, zoo.load("luma"))
    with pytest.raises(
        OptionError, match=r"no weights of rcan2: rcan2\.safetensors is missing, and .* weights of luma\."
    ):
        zoo.load("rcan2", tmp_path)
    for missing in ("none", "none.safetensors", "none.pth"):
        with pytest.raises(OptionError, match=f"{missing} does not exist"):
            zoo.load("rcan2", tmp_path / missing)


def test_weights_of_another_network_are_refused_by_names_and_shapes(tmp_path: Path) -> None:
    shapes = catalogue.architecture("luma").shapes() | {"tail.weight": (32, 16, 3, 3)}  # as many parameters
    del shapes["head.bias"]
    save_file({key: np.zeros(shape, np.float32) for key, shape in shapes.items()}, tmp_path / "luma.safetensors")
    for source in (tmp_path, tmp_path / "luma.safetensors"):
        with pytest.raises(OptionError, match=r"tail.weight is \(32, 16, 3, 3\), not .*head.bias is missing"):
            zoo.load("luma", source)


def damaged(value: float) -> dict[str, NDArray[Any]]:
    """Return the weights of luma with one value replaced."""
    weights = {key: array.copy() for key, array in zoo.load("luma").weights.items()}
    weights["body.0.weight"].flat[0] = value
    return weights


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        (damaged(np.nan), "body.0.weight holds values that are not finite"),
        (damaged(-np.inf), "body.0.weight holds values that are not finite"),
        (damaged(1e30), r"body.0.weight holds values as large as 1e\+30"),
        ({key: array.astype(np.int64) for key, array in damaged(1).items()}, "holds int64, not floats"),
        ({key: array > 0 for key, array in damaged(1).items()}, "holds bool, not floats"),
        ({key: 0 * array for key, array in damaged(1).items()}, "all its weights are 0"),
    ],
    ids=["nan", "infinite", "huge", "integers", "booleans", "zero"],
)
def test_damaged_weights_are_refused(weights: dict[str, NDArray[Any]], told: str, tmp_path: Path) -> None:
    save_file(weights, tmp_path / "luma.safetensors")
    with pytest.raises(OptionError, match=told):
        zoo.load("luma", tmp_path / "luma.safetensors")


def test_weights_in_half_precision_are_accepted(tmp_path: Path) -> None:
    weights = {key: array.astype(np.float16) for key, array in zoo.load("luma").weights.items()}
    save_file(weights, tmp_path / "luma.safetensors")
    assert zoo.load("luma", tmp_path).folded(Colour()).outputs == 24


def test_dtypes_that_numpy_lacks_are_refused(tmp_path: Path) -> None:
    head = b'{"x":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}'
    (tmp_path / "luma.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + b"\0")
    with pytest.raises(OptionError, match="aren't 16- to 64-bit floats"):
        zoo.load("luma", tmp_path)


def test_a_file_too_large_for_a_network_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "luma.safetensors").open("wb") as file:
        file.truncate(1 << 40)  # a hole: nothing of it is on disk
    with pytest.raises(OptionError, match="far too large"):
        zoo.load("luma", tmp_path)


Change = Callable[[dict[str, NDArray[Any]]], dict[str, NDArray[Any]]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda found: found | {"gain.layer.0": 0 * found["gain.layer.0"]}, "gain.layer.0 must be positive"),
        (lambda found: found | {"gain.layer.0": -found["gain.layer.0"]}, "gain.layer.0 must be positive"),
        (lambda found: found | {"peak.tail": np.float32(0)}, "peak.tail must be positive"),
        (lambda found: found | {"peak.tail": np.float32(np.nan)}, "peak.tail holds values that are not finite"),
        (lambda found: found | {"gain.layer.1": found["gain.layer.1"][:3]}, r"gain.layer.1 \(3,\) is not known"),
        (lambda found: found | {"gain.other": found["gain.layer.1"]}, r"gain.other \(32,\) is not known"),
        (lambda found: found | {"mean.tail": np.zeros(5, np.float32)}, r"mean.tail \(5,\) is not known"),
        (lambda found: {key: array for key, array in found.items() if key != "peak.tail"}, "peak.tail is missing"),
        (lambda found: {key: array for key, array in found.items() if key != "gain.layer.2"}, "layer.2 is missing"),
        (lambda _found: {"x": np.zeros(3, np.float32)}, r"x \(3,\) is not known"),
        (lambda _found: {}, "gain.layer.0 is missing"),
        (lambda found: found | {"weights.tail.bias": found["weights.tail.bias"][:3]}, r"tail.bias is \(3,\), not"),
        (lambda found: {key: array for key, array in found.items() if key != "weights.tail.bias"}, "bias is missing"),
    ],
)
def test_a_damaged_int8_file_is_refused(change: Change, told: str, tmp_path: Path) -> None:
    zoo.save(tmp_path, zoo.load("luma"))
    file = tmp_path / "luma.int8.safetensors"
    save_file({key: np.asarray(array) for key, array in change(load_file(file)).items()}, file)
    with pytest.raises(OptionError, match=told):
        zoo.load("luma", tmp_path).quantized(Colour())


def test_the_house_networks_differ_in_size_alone() -> None:
    assert all(isinstance(catalogue.architecture(name), LumaShape) for name in ("luma", "luma-large"))
