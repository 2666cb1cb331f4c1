"""``sr4k quantize`` makes int8 forms of the user's networks, and refuses where they cost too much."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from foreign_networks import convolutions, with_card
from onnxconverter_common import float16
from skimage import data as pictures
from typer.testing import CliRunner

pytest.importorskip("nncf")

from sr4k.cli.main import app
from sr4k.common.opencv import cv2
from sr4k.engines import EngineSpec, foreign_int8
from sr4k.engines.choose import engine_for
from sr4k.errors import InputError, OptionError
from sr4k.models import zoo
from sr4k.models.foreign import store
from sr4k.models.geometry import PAD_AFTER, PAD_BEFORE
from sr4k.models.plain_export import to_plain_onnx
from sr4k.models.quality.metrics import psnr
from sr4k.models.resize import imresize
from sr4k.quality import quantize_foreign


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def trained(tmp_path: Path, name: str = "mine", model: str = "luma") -> store.Foreign:
    """Add a network that was trained: one of ours, as another program would have it."""
    path = tmp_path / "new.onnx"
    path.write_bytes(to_plain_onnx(zoo.load(model).folded(None), {}).SerializeToString())
    store.make_folder()
    store.keep(name, path, with_card(path))
    found = store.find(name)
    assert found is not None
    return found


def photographs(folder: Path, number: int = 2) -> Path:
    folder.mkdir()
    for k, picture in enumerate((pictures.astronaut(), pictures.chelsea(), pictures.coffee())[:number]):
        assert cv2.imwrite(str(folder / f"{k}.png"), picture[40:200, 100:260, ::-1])
    return folder


def told(*arguments: object, code: int = 0) -> str:
    ran = CliRunner().invoke(app, list(map(str, arguments)))
    assert ran.exit_code == code, ran.output
    return ran.output


def in_onnx_runtime(path: Path, low: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path)
    (made,) = session.run(None, {session.get_inputs()[0].name: low.transpose(2, 0, 1)[None].astype(np.float32) / 255})
    return np.rint(made[0].transpose(1, 2, 0) * 255).clip(0, 255)


@pytest.mark.slow(seconds=5)
def test_a_network_gets_an_int8_form_that_loses_little_and_runs_everywhere(tmp_path: Path, folder: Path) -> None:
    trained(tmp_path)
    said = told("quantize", "mine", photographs(tmp_path / "pictures"))
    layers, of = map(int, re.findall(r"mine-int8: (\d+) of (\d+) layers in int8", said)[0])
    assert 0 < layers <= of - 2 and "dB lost" in said and "times that of float" in said
    card = json.loads(told("model", "show", "mine-int8", "--json"))
    before = json.loads(told("model", "show", "mine", "--json"))
    assert (card["precision"], card["original_sha256"]) == ("int8", before["sha256"])
    assert card["loss"] is not None and card["loss"] <= 0.1
    assert {key for key in card if card[key] != before[key]} == {
        "model", "path", "precision", "loss", "sha256", "original", "original_sha256",
    }  # fmt: skip
    assert f"int8, which costs {card['loss']:.3f} dB" in told("model", "show", "mine-int8")

    high = pictures.coffee()[50:178, 100:228]
    low = imresize(high, 64, 64)
    both = [in_onnx_runtime(folder / f"{name}.onnx", low) for name in ("mine", "mine-int8")]
    in_float, in_int8 = (psnr(each, high) for each in both)
    assert not np.array_equal(*both) and abs(in_float - in_int8) < 0.2 and psnr(*both) > 45

    spec = EngineSpec(model="mine-int8", height=64, width=64, colour=None, precision="int8")
    around = (PAD_BEFORE, PAD_AFTER)
    padded = np.pad(low.transpose(2, 0, 1), ((0, 0), around, around), mode="edge").astype(np.float32, order="C")
    with engine_for("openvino", spec) as engine:
        made = np.rint(engine.infer([padded])).clip(0, 255).transpose(1, 2, 0)
        assert engine.describe()["precision"] == "int8"
    assert psnr(made, both[1]) > 50
    measured = told("eval", tmp_path / "pictures", "--model", "mine-int8")
    assert "int8" in measured and "fp32" not in measured
    assert "is in int8 already" in told("quantize", "mine-int8", tmp_path / "pictures", code=2)
    assert "already" in told("quantize", "mine", tmp_path / "pictures", code=2)


def in_other_types(path: Path, kind: str) -> None:
    """Give a network float16 throughout, pictures of uint8, or a size that it is declared for."""
    model = onnx.load(path)
    graph = model.graph
    if kind == "size":
        for value, sides in ((graph.input[0], (32, 48)), (graph.output[0], (64, 96))):
            for number, side in zip((2, 3), sides, strict=True):
                value.type.tensor_type.shape.dim[number].dim_value = side
    if kind.startswith("float16"):
        for number, node in enumerate(graph.node):
            node.name = f"node_{number}"  # what the converter adds is named after these
        model = float16.convert_float_to_float16(model, keep_io_types=kind == "float16 inside")
    if kind == "uint8":
        for node in graph.node:
            for place, given in enumerate(node.input):
                node.input[place] = "levels" if given == graph.input[0].name else given
        graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
        white = onnx.numpy_helper.from_array(np.float32(255), "white")
        first = [
            onnx.helper.make_node("Cast", [graph.input[0].name], ["real"], to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("Div", ["real", "white"], ["levels"]),
        ]
        graph.initializer.append(white)
        for node in reversed(first):
            graph.node.insert(0, node)
        last = graph.node[-1].output[0]
        graph.node[-1].output[0] = "small"
        graph.node.append(onnx.helper.make_node("Mul", ["small", "white"], [last]))
    onnx.save(model, path)


@pytest.mark.slow(seconds=3)
@pytest.mark.parametrize("kind", ["float16", "float16 inside", "uint8", "size"])
def test_networks_of_other_types_and_of_a_declared_size_are_quantised(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = convolutions(tmp_path / "new.onnx", layers=4)
    in_other_types(path, kind)
    store.make_folder()
    store.keep("mine", path, with_card(path))
    said = told("quantize", "mine", photographs(tmp_path / "pictures"))
    assert "mine-int8: 2 of 4 layers in int8" in said and said.count("\n") == 5
    assert "100%" not in "".join(capfd.readouterr())
    spec = EngineSpec(model="mine-int8", height=64, width=64, colour=None, precision="int8")
    planes = np.full((3, 64 + PAD_BEFORE + PAD_AFTER, 64 + PAD_BEFORE + PAD_AFTER), 100, np.float32)
    with engine_for("openvino", spec) as engine:
        assert np.abs(engine.infer([planes]) - 100).max() < 8


@pytest.mark.slow(seconds=3)
def test_layers_go_back_to_float_until_little_enough_is_lost(tmp_path: Path, folder: Path) -> None:
    mine, places = trained(tmp_path), photographs(tmp_path / "pictures")
    all_of_them = quantize_foreign.quantize(mine, [places], "usual", 1.0)
    assert all_of_them.loss > 0 and (folder / "usual.onnx").exists()
    fewer = quantize_foreign.quantize(mine, [places], "strict", all_of_them.loss / 2)
    assert fewer.layers < all_of_them.layers and fewer.loss <= all_of_them.loss / 2
    assert fewer.apart > all_of_them.apart


def test_what_loses_more_is_refused_and_leaves_nothing(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = trained(tmp_path)
    places = [photographs(tmp_path / "pictures")]
    other = convolutions(tmp_path / "other.onnx").read_bytes()
    monkeypatch.setattr(quantize_foreign, "quantized", lambda *_: other)
    with pytest.raises(OptionError, match=r"would lose \d+\.\d+ dB of PSNR, more than the 0\.1 dB that --max-loss"):
        quantize_foreign.quantize(mine, places, "mine-int8", 0.1)
    monkeypatch.setattr(quantize_foreign, "quantized", lambda graph, *_: graph)
    with pytest.raises(OptionError, match="all of its layers have to stay in float"):
        quantize_foreign.quantize(mine, places, "mine-int8", 0.1)
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == ["mine.onnx", "mine.toml"]


def test_only_what_lies_between_the_first_and_the_last_layer_may_be_in_int8(tmp_path: Path) -> None:
    model = foreign_int8._named(convolutions(tmp_path / "net.onnx", layers=4, everywhere=True).read_bytes())
    kinds = [node.op_type for node in model.graph.node if node.name not in foreign_int8._ends(model)]
    assert kinds == ["Relu", "Conv", "Relu", "Conv", "Relu"]
    trial = (convolutions(tmp_path / "net.onnx", layers=2).read_bytes(), [], [], lambda *_: 0.0, 0.1)
    with pytest.raises(OptionError, match="no layers between"):
        foreign_int8.quantized(*trial)
    assert foreign_int8.layers_in_int8(onnx.load(tmp_path / "net.onnx").SerializeToString()) == (0, 2)


@pytest.mark.slow(seconds=1)
def test_pictures_too_small_for_a_network_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mine, several = trained(tmp_path), photographs(tmp_path / "several")
    for number in range(2):
        cv2.imwrite(str(several / f"small-{number}.png"), pictures.astronaut()[:5, :80])
    assert list(map(len, quantize_foreign._parts(mine.card, [several]))) == [2, 2], "two parts of each photograph"
    assert caplog.messages == ["2 pictures are left out: they are smaller than 6x6 pixels."]


def test_what_can_not_be_quantised_is_told_in_one_line(tmp_path: Path) -> None:
    mine = trained(tmp_path)
    few = photographs(tmp_path / "few", number=1)
    (tmp_path / "tiny").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / "tiny" / f"{number}.png"), pictures.astronaut()[:5, :80])
    for folder, said in (
        (few, "few: at least two are needed, and there is one picture of 6x6 pixels or more"),
        (tmp_path / "tiny", "tiny: .* there is no picture of 6x6 pixels or more"),
    ):
        with pytest.raises(InputError, match=said):
            quantize_foreign.quantize(mine, [folder], "mine-int8", 0.1)
    for arguments, said in (
        (["none", few], "There is no network 'none'"),
        (["luma", few], "ships with the package"),
        (["mine", few, "--out", tmp_path], "--out is not for your networks"),
        (["net.pth", few], "is a checkpoint: --model says"),
        (["net.pth", few, "--max-loss", "1"], "--max-loss is not for checkpoints"),
        (["mine", few, "--name", "luma"], "ships with the package"),
        (["none", few, "--name", "mine"], "There is a network 'mine' already"),
        (["none", few, "--name", "a/b"], "can't be called"),
    ):
        line = told("quantize", *arguments, code=2)
        assert said in line and line.count("\n") == 1
