import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from skimage import data as pictures

from sr4k.models import zoo
from sr4k.models.colour import Colour
from sr4k.models.export import to_onnx
from sr4k.models.geometry import MARGIN, pad_planes
from sr4k.models.quality.metrics import psnr

HEIGHT, WIDTH = 32, 48
MODELS = ["luma", "rcan2"]


def planes() -> list[NDArray[np.uint8]]:
    gray = pictures.camera()[100:]
    return pad_planes(gray[:HEIGHT, :WIDTH], np.stack([gray[: HEIGHT // 2, : WIDTH // 2] // 8 + 112] * 2))


def run(model: onnx.ModelProto, *, as_written: bool = False) -> NDArray[np.uint8]:
    """Compute cells; ``as_written``: by float32 on whole numbers, as some CPUs' products of int8 saturate."""
    luma, chroma = planes()
    options = ort.SessionOptions()
    if as_written:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    (cells,) = session.run(None, {"luma": luma[None, None], "chroma": chroma[None]})
    return np.asarray(cells)


def kinds(model: onnx.ModelProto) -> dict[str, int]:
    """Return the type of each value in a graph."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    return {c.name: c.data_type for c in graph.initializer} | {v.name: v.type.tensor_type.elem_type for v in values}


@pytest.mark.parametrize("name", MODELS)
class TestCastLast:
    def test_bytes_are_read_and_made_by_casts_alone_at_the_very_edges(self, name: str) -> None:
        model = to_onnx(zoo.load(name).quantized(Colour()), HEIGHT, WIDTH, cast_last=True)
        kind, edges = kinds(model), {"luma", "chroma", "subpixels"}
        assert {value for value, k in kind.items() if k == TensorProto.UINT8} == edges
        assert {n.op_type for n in model.graph.node if edges & {*n.input, *n.output}} == {"Cast"}

    def test_it_is_the_same_picture(self, name: str) -> None:
        network = zoo.load(name).quantized(Colour())
        usual, other = (to_onnx(network, HEIGHT, WIDTH, cast_last=last) for last in (False, True))
        assert np.array_equal(run(usual), run(other))


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(("name", "sharpness"), [("luma", 0), ("luma", 100), ("rcan2", 0)])
def test_it_is_the_picture_of_exact_integers_but_for_ties(name: str, sharpness: int) -> None:
    executor = pytest.importorskip("sr4k.models.execute").IntegerExecutor
    from torch import from_numpy

    network = zoo.load(name, sharpness=sharpness).quantized(Colour())
    luma, chroma = planes()
    exact = executor(network)(from_numpy(luma)[None, None], from_numpy(chroma)[None]).permute(0, 2, 3, 1)
    made = run(to_onnx(network, HEIGHT, WIDTH, cast_last=True), as_written=True)
    inner = slice(MARGIN, -MARGIN)
    apart = np.abs(made - exact.round().clamp(0, 255).numpy())[:, inner, inner]
    assert apart.max() <= 1
    assert (apart > 0).mean() <= 0.005


@pytest.mark.parametrize("name", MODELS)
class TestHalf:
    def test_the_picture_stays_in_float32_and_what_may_be_int8_is_float16(self, name: str) -> None:
        network = zoo.load(name).folded(Colour())
        model = to_onnx(network, HEIGHT, WIDTH, half=True)
        kind = kinds(model)
        of_convs = {
            n.input[1].rpartition(".weight")[0]: {kind[v] for v in (*n.input, *n.output)}
            for n in model.graph.node
            if n.op_type == "Conv"
        }
        for conv in network.convs:
            expected = TensorProto.FLOAT16 if network.convs[conv].quantised else TensorProto.FLOAT
            assert of_convs[conv] == {expected}, conv

    def test_it_is_nearly_the_same_picture(self, name: str) -> None:
        network = zoo.load(name).folded(Colour())
        exact, half = (run(to_onnx(network, HEIGHT, WIDTH, half=half)) for half in (False, True))
        assert psnr(half, exact) > 60


def test_a_graph_is_the_same_bytes_each_time() -> None:
    network = zoo.load("luma").quantized(Colour())
    one, other = (to_onnx(network, HEIGHT, WIDTH).SerializeToString(deterministic=True) for _ in range(2))
    assert one == other
