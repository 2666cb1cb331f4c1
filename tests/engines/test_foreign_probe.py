"""What is found out about foreign networks by running them."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from foreign_networks import convolutions
from onnx import TensorProto, helper

from sr4k.engines import foreign_trial
from sr4k.engines.foreign_probe import probe
from sr4k.engines.foreign_trial import probed
from sr4k.errors import EngineError, OptionError
from sr4k.models.foreign.card import Card


def found(tmp_path: Path, **wishes: Any) -> Card:
    return probe(convolutions(tmp_path / "net.onnx", **wishes).read_bytes(), 0)


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_scale_and_channels_are_those_that_it_has(scale: int, channels: int, tmp_path: Path) -> None:
    card = found(tmp_path, scale=scale, channels=channels)
    assert (card.scale, card.channels, card.multiple, card.fixed) == (scale, channels, 1, None)
    assert card.deterministic


@pytest.mark.slow
@pytest.mark.parametrize("layers", [1, 2, 5])
def test_each_convolution_sees_a_pixel_farther(layers: int, tmp_path: Path) -> None:
    assert found(tmp_path, layers=layers).reach == layers


@pytest.mark.slow
def test_the_mean_of_the_picture_makes_everything_depend_on_everything(tmp_path: Path) -> None:
    assert found(tmp_path, everywhere=True).reach is None


@pytest.mark.slow
@pytest.mark.parametrize("peak", [1, 255])
def test_the_range_is_that_in_which_it_gives_the_picture_back(peak: int, tmp_path: Path) -> None:
    assert found(tmp_path, peak=peak).peak == peak


def changed(path: Path, *, before: float, after: float, kind: int = TensorProto.FLOAT, add: float = 0) -> bytes:
    """Write a network that enlarges twice, with factors before and after, and return it."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["real", "before"], ["scaled"]),
        helper.make_node("Resize", ["scaled", "", "sizes"], ["large"], mode="linear"),
        helper.make_node("Mul", ["large", "after"], ["most"]),
        helper.make_node("Add", ["most", "more"], ["enlarged"]),
    ]
    model = onnx.load(other(path, [1, 3, "h", "w"], nodes))
    model.graph.input[0].type.tensor_type.elem_type = kind
    numbers = {"before": before, "after": after, "more": add, "sizes": [1, 1, 2, 2]}
    model.graph.initializer.extend(onnx.numpy_helper.from_array(np.float32(v), name) for name, v in numbers.items())
    path.write_bytes(model.SerializeToString())
    return path.read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"before": 1 / 255, "after": 1}, r"white as 255 a mean of 0\.00196 and a correlation of 1\.00.* same range"),
        ({"before": 1 / 255, "after": 1, "kind": TensorProto.UINT8}, r"a mean of 0\.00196 .* same range, 0 to 1 or 0"),
        ({"before": 1, "after": 0}, r"a mean of 0 and a correlation of 0\.00, made smaller again\.$"),
        ({"before": 1, "after": -1, "add": 1}, r"a correlation of -1\.00, made smaller again\.$"),
    ],
)
def test_what_does_not_give_a_picture_back_is_refused_with_what_was_measured(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match=f"^it does not give a picture back: .* mean level of 0\\.50.*{said}"):
        probe(changed(tmp_path / "net.onnx", **change), 0)


def test_a_style_that_changes_levels_is_taken_and_called_doubtful(tmp_path: Path) -> None:
    card = probe(changed(tmp_path / "net.onnx", before=1, after=0.7), 0)
    assert card.is_doubtful and card.correlation is not None and card.correlation > 0.9
    assert card.shift == pytest.approx(-0.15, abs=0.01)
    usual = found(tmp_path)
    assert not usual.is_doubtful and usual.correlation is not None and usual.correlation > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("unshuffle", [2, 4])
def test_folded_pixels_need_sides_that_are_multiples(unshuffle: int, tmp_path: Path) -> None:
    card = found(tmp_path, unshuffle=unshuffle, layers=2)
    assert card.multiple == unshuffle
    assert card.reach is not None and 2 * unshuffle <= card.reach <= 4 * unshuffle


@pytest.mark.slow
def test_a_declared_size_is_no_limit_to_convolutions(tmp_path: Path) -> None:
    assert found(tmp_path, fixed=(48, 64)).fixed is None


def test_work_and_memory_are_counted(tmp_path: Path) -> None:
    card = found(tmp_path, features=8, layers=2)
    assert card.macs_per_pixel == 9 * (3 * 8 + 8 * 12)
    assert 4 * (8 + 12) <= card.bytes_per_pixel <= 8 * (8 + 12)


def other(path: Path, shape: list[Any], nodes: list[onnx.NodeProto], outputs: int = 1) -> Path:
    names = ["enlarged", "more"][:outputs]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in names],
        [onnx.numpy_helper.from_array(np.array([1, 1, 1.5, 1.5], np.float32), "factors")],
    )
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    )
    return path


@pytest.mark.parametrize(
    ("shape", "kind", "said"),
    [
        ([1, 3, "h", "w"], "enlarged by half", "enlarge 1, 2, 3 or 4 times"),
        ([1, 4, "h", "w"], "as it is", "must have 3 channels"),
        ([8, 3, "h", "w"], "as it is", "8 pictures at once"),
        ([1, 3, "h"], "as it is", "must be pictures"),
        ([1, 3, 100000, 100000], "as it is", "100000x100000 only"),
        ([1, 3, "h", "w"], "not a number", "not finite"),
        ([1, 3, "h", "w"], "two outputs", "2 outputs"),
        ([1, 3, "h", "w"], "unknown operator", "does not take the network"),
    ],
)
def test_what_is_no_such_network_is_refused(shape: list[Any], kind: str, said: str, tmp_path: Path) -> None:
    nodes = {
        "as it is": [helper.make_node("Identity", ["pixels"], ["enlarged"])],
        "enlarged by half": [helper.make_node("Resize", ["pixels", "", "factors"], ["enlarged"], mode="nearest")],
        "not a number": [
            helper.make_node("Sub", ["pixels", "pixels"], ["zero"]),
            helper.make_node("Div", ["zero", "zero"], ["enlarged"]),
        ],
        "two outputs": [helper.make_node("Identity", ["pixels"], [name]) for name in ("enlarged", "more")],
        "unknown operator": [helper.make_node("Dream", ["pixels"], ["enlarged"])],
    }[kind]
    path = other(tmp_path / "net.onnx", shape, nodes, 2 if kind == "two outputs" else 1)
    with pytest.raises(EngineError, match=said):
        probe(path.read_bytes(), 0)


@pytest.mark.slow(seconds=1)
def test_what_would_fill_the_memory_ends_in_a_line(tmp_path: Path) -> None:
    huge = onnx.numpy_helper.from_array(np.array([1, 400_000, 400_000], np.int64), "huge")
    nodes = [
        helper.make_node("ConstantOfShape", ["huge"], ["much"]),
        helper.make_node("ReduceMean", ["much"], ["mean"], keepdims=0),
        helper.make_node("Add", ["pixels", "mean"], ["enlarged"]),
    ]
    path = other(tmp_path / "net.onnx", [1, 3, "h", "w"], nodes)
    model = onnx.load(path)
    model.graph.initializer.append(huge)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(OptionError, match=r"net\.onnx can't be used: ") as told:
        probed(path)
    assert "\n" not in str(told.value)


def test_pictures_are_numbers(tmp_path: Path) -> None:
    path = convolutions(tmp_path / "net.onnx")
    kind = helper.make_tensor_value_info("pixels", TensorProto.STRING, [1, 3, "h", "w"])
    same = helper.make_node("Identity", ["pixels"], ["enlarged"])
    out = helper.make_tensor_value_info("enlarged", TensorProto.STRING, [1, 3, "h", "w"])
    graph = helper.make_graph([same], "toy", [kind], [out])
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    with pytest.raises(EngineError, match="of type string, and must be numbers"):
        probe(path.read_bytes(), 0)


@pytest.mark.slow(seconds=2)
def test_a_loop_without_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boolean, number = TensorProto.BOOL, TensorProto.FLOAT
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still_on"]), helper.make_node("Relu", ["x"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", boolean, []),
            helper.make_tensor_value_info("x", number, [None] * 4),
        ],
        [
            helper.make_tensor_value_info("still_on", boolean, []),
            helper.make_tensor_value_info("next", number, [None] * 4),
        ],
    )
    path = other(
        tmp_path / "net.onnx",
        [1, 3, "h", "w"],
        [helper.make_node("Loop", ["turns", "yes", "pixels"], ["enlarged"], body=body)],
    )
    model = onnx.load(path)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(2**62, np.int64), "turns"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "yes"))
    path.write_bytes(model.SerializeToString())
    monkeypatch.setattr(foreign_trial, "_LIMIT", 1.0)
    with pytest.raises(OptionError, match="its test takes longer than 1 s"):
        probed(path)
