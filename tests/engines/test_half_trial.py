"""Networks run in float16 by default only where that makes the CPU's picture; ONNX Runtime stands for the GPU."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from foreign_networks import convolutions, with_card

from sr4k.engines import EngineSpec
from sr4k.engines.base import Plane
from sr4k.engines.half_trial import half_trouble
from sr4k.models.colour import Colour
from sr4k.models.foreign.planes_graph import Picture, planes_graph


@pytest.mark.parametrize(("factor", "trouble"), [(1, None), (1e6, "is not the CPU's|is black")])
def test_what_float16_can_not_hold_is_noticed_and_the_verdict_is_kept(
    factor: float, trouble: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("SR4K_CACHE", str(tmp_path / "cache"))
    path = convolutions(tmp_path / "net.onnx")
    model = onnx.load(path)
    for tensor in model.graph.initializer:  # the same picture, with larger values on the way to it
        scale = {"kernel0": factor, "bias0": factor, "kernel1": 1 / factor, "little": 10}.get(tensor.name, 1)
        tensor.CopyFrom(
            onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * np.float32(scale), tensor.name)
        )
    path.write_bytes(model.SerializeToString())
    card = with_card(path)
    spec = EngineSpec(model=str(path), height=64, width=80, colour=Colour())
    graph = planes_graph(path.read_bytes(), card, Picture(height=64, width=80, colour=Colour()), half=True)
    session = onnxruntime.InferenceSession(graph.SerializeToString())

    def run(planes: Sequence[Plane]) -> Plane:
        made: Plane = session.run(None, {"luma": planes[0][None, None], "chroma": planes[1][None]})[0][0]
        return made

    found = half_trouble("key", spec, run)
    assert found is None if trouble is None else re.search(trouble, str(found))
    assert half_trouble("key", spec, lambda _planes: pytest.fail("it is tried again")) == found
