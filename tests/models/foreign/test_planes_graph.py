"""The graph that TensorRT gets makes OpenVINO's picture in ONNX Runtime, in float32 and with the network in float16."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from foreign_networks import convolutions, with_card
from skimage import data as pictures

from sr4k.engines import EngineSpec
from sr4k.engines.choose import engine_for
from sr4k.engines.openvino_trial import trial_frame
from sr4k.errors import EngineError
from sr4k.models.colour import Colour
from sr4k.models.foreign.planes_graph import Picture, planes_graph

PHOTO = np.ascontiguousarray(pictures.astronaut()[30:94, 180:260].transpose(2, 0, 1), np.float64)
"""A part of a photograph, (3, 64, 80)."""


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "models"))


def made(graph: onnx.ModelProto, planes: list[Any]) -> Any:
    """What ONNX Runtime makes of padded planes."""
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    given = {
        each.name: plane.reshape(1, *([1] * (3 - plane.ndim)), *plane.shape)
        for each, plane in zip(session.get_inputs(), planes, strict=True)
    }
    return session.run(None, given)[0][0]


def both(path: Path, colour: Colour | None, *, half: bool = False, rounded: bool = True) -> tuple[Any, Any]:
    """Return a graph's picture and OpenVINO's."""
    card = with_card(path)
    spec = EngineSpec(model=str(path), height=64, width=80, colour=colour, rounded=rounded)
    planes = trial_frame(spec)
    picture = Picture(height=64, width=80, colour=colour, rounded=rounded)
    graph = planes_graph(path.read_bytes(), card, picture, half=half)
    assert graph.graph.node[-1].op_type == "Cast"
    with engine_for("openvino", spec) as engine:
        wanted = engine.infer(planes)
    found = made(graph, planes)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    return found.astype(float), wanted.astype(float)


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True], ids=["fp32", "fp16"])
def test_the_picture_is_that_of_openvino(half: bool, tmp_path: Path) -> None:
    cases: list[tuple[Colour | None, dict[str, Any]]] = [
        (None, {"scale": 2}),
        (Colour(), {"scale": 1, "peak": 255}),
        (Colour("bt601", full_range=True, chroma_location="center"), {"scale": 3}),
        (Colour(sampling="444"), {"scale": 4, "unshuffle": 2}),
        (Colour(chroma_location="topleft"), {"scale": 2, "channels": 1}),
        (Colour(), {"scale": 1, "channels": 1}),
        (None, {"scale": 2, "channels": 1}),
    ]
    for number, (colour, wishes) in enumerate(cases):
        found, wanted = both(convolutions(tmp_path / f"{number}.onnx", **wishes), colour, half=half)
        assert np.abs(found - wanted).max() <= (2 if half else 1), (colour, wishes)
        assert np.abs(found - wanted).mean() < (0.25 if half else 0.01), (colour, wishes)
        assert wanted.std() > 10


def test_rgb_that_is_not_rounded_stays_float(tmp_path: Path) -> None:
    found, wanted = both(convolutions(tmp_path / "net.onnx"), None, rounded=False)
    assert np.abs(found - wanted).max() < 0.01
    assert not np.array_equal(wanted, np.rint(wanted))


def test_a_network_of_older_operators_is_brought_up_to_date_or_refused(tmp_path: Path) -> None:
    path = convolutions(tmp_path / "net.onnx", scale=1)
    model = onnx.load(path)
    model.opset_import[0].version = 12  # what is in it was the same then
    path.write_bytes(model.SerializeToString())
    picture = Picture(height=64, width=80, colour=Colour())
    network, card = path.read_bytes(), with_card(path)
    assert planes_graph(network, card, picture).opset_import[0].version >= 13
    with pytest.raises(EngineError, match="can't be brought into newer operators"):
        planes_graph(network.replace(b"Relu", b"Abcd"), card, picture)
