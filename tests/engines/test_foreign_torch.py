"""PyTorch gives the picture that OpenVINO gives of networks that were added as checkpoints."""

from pathlib import Path

import numpy as np
import pytest
from foreign_networks import convolutions, with_card
from skimage import data as pictures

pytest.importorskip("torch")
pytest.importorskip("resselt")

import torch
from architectures import small
from typer.testing import CliRunner

from sr4k.cli.main import app
from sr4k.engines import EngineSpec, foreign_torch
from sr4k.engines.choose import engine_for
from sr4k.engines.foreign_probe import probe, ran
from sr4k.errors import OptionError
from sr4k.models.colour import Colour
from sr4k.models.foreign import store
from sr4k.models.foreign.from_checkpoint import converted

PICTURE = np.ascontiguousarray(pictures.chelsea()[100:185, 150:251].transpose(2, 0, 1))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """Add a checkpoint of a x2 network in this process."""
    torch.save({"params": small("Compact").state_dict()}, tmp_path / "net.pth")
    store.make_folder()
    graph = tmp_path / "made.onnx"
    store.keep("mine", graph, converted(tmp_path / "net.pth", graph, lambda found: probe(found, 0), ran))
    return "mine"


def planes_for(spec: EngineSpec) -> list[np.ndarray]:
    """Take padded planes of any contents: both engines get the same."""
    top = 255 if spec.colour is None else spec.colour.peak
    levels = PICTURE.astype(np.float64) / 255 * top
    given = [levels[0] if len(shape) == 2 else levels[3 - shape[0] :] for shape in spec.input_shapes]
    cut = (each[..., : s[-2], : s[-1]] for each, s in zip(given, spec.input_shapes, strict=True))
    return [np.ascontiguousarray(each.astype(spec.input_dtype)) for each in cut]


@pytest.mark.slow
def test_the_picture_is_that_of_openvino(mine: str) -> None:
    colours = [
        None,
        Colour(),
        Colour("bt601", full_range=True, chroma_location="center"),
        Colour(bits=10, chroma_location="topleft"),
        Colour(sampling="444"),
    ]
    for colour in colours:
        spec = EngineSpec(model=mine, height=64, width=80, colour=colour)
        planes = planes_for(spec)
        with engine_for("openvino", spec) as reference, engine_for("torch", spec) as engine:
            wanted, made = reference.infer(planes).astype(float), engine.infer(planes).astype(float)
            about = engine.describe()
        assert (about["engine"], about["device"], about["precision"]) == ("torch", "cpu", "fp32")
        assert about["macs"] == reference.describe()["macs"]
        assert wanted.std() > 1
        assert np.abs(made - wanted).max() <= (0.01 if colour is None else 1), colour
        assert np.abs(made - wanted).mean() < 0.01


def test_networks_on_luma_keep_colours_in_pytorch_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = convolutions(tmp_path / "net.onnx", channels=1, scale=3)
    card = with_card(path)

    class Repeats(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(ran(path.read_bytes(), x[0].numpy()))[None]

    monkeypatch.setattr(foreign_torch, "load_network", lambda _path: (Repeats(), ""))
    monkeypatch.setattr(foreign_torch, "hash_of_file", lambda _path: "known")
    object.__setattr__(card, "weights_sha256", "known")
    for colour in (Colour(), None):
        spec = EngineSpec(model=str(path), height=64, width=80, colour=colour)
        planes = planes_for(spec)
        made = foreign_torch.ForeignNetwork(spec, store.Foreign("net", path, card))(planes)
        with engine_for("openvino", spec) as engine:
            assert np.abs(made - engine.infer(planes).astype(float)).max() <= (0.01 if colour is None else 1)


def test_only_checkpoints_with_the_weights_that_were_added_run_in_pytorch(
    mine: str, tmp_path: Path, folder: Path
) -> None:
    path = convolutions(tmp_path / "net.onnx")
    with_card(path)
    spec = EngineSpec(model=str(path), height=64, width=80, colour=None)
    with pytest.raises(OptionError, match="was not added as a checkpoint"), engine_for("torch", spec):
        pass
    (folder / "mine.safetensors").write_bytes(b"other")
    spec = EngineSpec(model=mine, height=64, width=80, colour=None)
    with pytest.raises(OptionError, match="is not the file that was added"), engine_for("torch", spec):
        pass
    assert CliRunner().invoke(app, ["model", "remove", "mine"]).exit_code == 0
    assert [each.name for each in folder.iterdir() if each.is_file()] == []


def test_half_precision_is_enough_only_where_it_makes_the_same_picture() -> None:
    network = small("Compact")
    assert foreign_torch.half_is_enough(network, 3, torch.device("cpu"))
    assert next(network.parameters()).dtype == torch.float32
    with torch.no_grad():
        network.body[0].weight *= 1e6  # what follows is beyond what float16 holds
    assert not foreign_torch.half_is_enough(network, 3, torch.device("cpu"))
