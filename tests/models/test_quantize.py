import numpy as np
import onnx
import onnxruntime as ort
import pytest
from skimage import data as pictures

from sr4k.models import catalogue, zoo
from sr4k.models.colour import Colour
from sr4k.models.export import to_onnx
from sr4k.models.folded_network import Conv, FoldedNetwork
from sr4k.models.quantize import Calibration, equalise, quantize, round_keeping_sums, round_to_nearest


@pytest.fixture(scope="module")
def model() -> zoo.Model:
    return zoo.load("rcan2")


@pytest.fixture(scope="module")
def graph(model: zoo.Model) -> onnx.GraphProto:
    return to_onnx(model.quantized(Colour()), 32, 48).graph


def test_the_bias_corrects_the_mean_error_of_rounding() -> None:
    rng = np.random.default_rng(0)
    convs = {"only": Conv(rng.normal(0, 1, (4, 3, 3, 3)), rng.normal(0, 1, 4), quantised=True, reads="in")}
    network = FoldedNetwork(catalogue.architecture("luma"), lambda _ops, x: x, convs, Colour())
    mean = np.array([100.0, 40.0, -70.0])
    plain = Calibration({"in": np.ones(3)}, {"only": 127.0})
    flat = np.broadcast_to(mean[:, None, None], (3, 3, 3))

    def output(conv: Conv) -> np.ndarray:
        return np.einsum("ocyx,cyx->o", conv.kernel, flat) + conv.bias

    expected = output(convs["only"])
    shifted, corrected = (
        output(quantize(network, calibration).network.convs["only"])
        for calibration in (plain, Calibration(plain.gains, plain.peaks, {"only": mean}))
    )
    assert np.abs(shifted - expected).max() > 0.1
    assert np.abs(corrected - expected).max() < 1e-9


def test_rounded_kernels_lie_on_their_grids(model: zoo.Model) -> None:
    quantized = quantize(model.folded(Colour()), model.calibration)
    for name, scale in quantized.weight_scales.items():
        steps = quantized.network.convs[name].kernel / scale[:, None, None, None]
        assert np.abs(steps - np.round(steps)).max() < 1e-6
        assert np.abs(steps).max() <= 127.001


def test_rounding_that_keeps_sums_moves_no_weight_by_a_step_and_no_sum_by_more_than_half_of_one() -> None:
    kernel = np.random.default_rng(0).normal(0, 1, (32, 1, 3, 3))
    scale = np.abs(kernel).max(axis=(1, 2, 3)) / 127
    steps = scale[:, None, None, None]
    moved = (round_keeping_sums(kernel, scale) - kernel) / steps
    assert np.abs(moved).max() < 1
    assert np.abs(moved.sum(axis=(1, 2, 3))).max() <= 0.5 + 1e-9
    plain = (round_to_nearest(kernel, scale) - kernel) / steps
    assert np.abs(plain.sum(axis=(1, 2, 3))).max() > 0.5


def test_a_luma_head_reads_code_values_as_the_integers_they_are() -> None:
    graph = to_onnx(zoo.load("luma").quantized(Colour()), 32, 48).graph
    constants = {c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer}
    producer = {output: node for node in graph.node for output in node.output}
    head = next(n for n in graph.node if n.op_type == "Conv")
    back = producer[head.input[0]]
    assert constants[back.input[1]] == 1 and constants[back.input[2]].dtype == np.int8
    shifted = producer[producer[back.input[0]].input[0]]
    assert shifted.op_type == "Sub" and constants[shifted.input[1]] == 128


@pytest.mark.slow
def test_equalising_changes_nothing_but_the_basis(model: zoo.Model) -> None:
    torch = pytest.importorskip("torch")
    from sr4k.models.execute import FoldedExecutor

    network = model.folded(None)
    x = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (1, 3, 21, 25)))
    rng = np.random.default_rng(1)
    bases = {conv.reads for conv in network.convs.values()} - {None}
    gains = {basis: rng.uniform(0.5, 3, 16) for basis in bases}
    before = FoldedExecutor(network, dtype=torch.float64)(x)
    after = FoldedExecutor(equalise(network, gains), dtype=torch.float64)(x)
    assert (before - after).abs().max() < 1e-9


def test_calibration_survives_storage(model: zoo.Model) -> None:
    assert model.calibration is not None
    again = Calibration.from_arrays(model.calibration.to_arrays())
    assert again.peaks == model.calibration.peaks
    assert all(np.allclose(again.means[conv], mean) for conv, mean in model.calibration.means.items())
    assert all(np.allclose(again.gains[basis], gain) for basis, gain in model.calibration.gains.items())


class TestQdqRules:
    """Requirements of TensorRT's and OpenVINO's int8 kernels on the graph."""

    def test_zero_points_are_zero(self, graph: onnx.GraphProto) -> None:
        constants = {c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer}
        points = [constants[n.input[2]] for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
        assert points and all((p == 0).all() for p in points)

    def test_weights_are_quantised_by_output_channel(self, graph: onnx.GraphProto) -> None:
        constants = {c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer}
        pairs = [n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] in constants]
        assert len(pairs) == 12
        for node in pairs:
            assert constants[node.input[1]].shape == constants[node.input[0]].shape[:1]
            assert [a.i for a in node.attribute if a.name == "axis"] == [0]

    def test_every_convolution_but_those_of_the_picture_has_a_pair_on_its_input(self, graph: onnx.GraphProto) -> None:
        producer = {output: node for node in graph.node for output in node.output}
        convs = [n for n in graph.node if n.op_type == "Conv"]
        quantised = [n for n in convs if producer[n.input[0]].op_type == "DequantizeLinear"]
        assert len(convs) == 16, "heads and skips of luma and chroma are float"
        assert len(quantised) == 12

    def test_every_pair_is_the_input_of_a_convolution(self, graph: onnx.GraphProto) -> None:
        read = {name for n in graph.node if n.op_type == "Conv" for name in n.input}
        assert all(n.output[0] in read for n in graph.node if n.op_type == "DequantizeLinear")

    def test_no_pair_stands_between_a_convolution_and_an_add(self, graph: onnx.GraphProto) -> None:
        producer = {output: node for node in graph.node for output in node.output}
        for add in (n for n in graph.node if n.op_type == "Add"):
            pairs = [producer[x] for x in add.input if producer[x].op_type == "DequantizeLinear"]
            sources = [producer[producer[pair.input[0]].input[0]].op_type for pair in pairs]
            assert "Conv" not in sources

    def test_a_skip_reads_the_pair_of_the_convolution_beside_it(self, graph: onnx.GraphProto) -> None:
        producer = {output: node for node in graph.node for output in node.output}
        adds = [n for n in graph.node if n.op_type == "Add"]
        skips = [producer[n.input[1]].op_type for n in adds]
        assert skips.count("DequantizeLinear") == 6, "two groups and their four blocks"

    def test_biases_stay_float(self, graph: onnx.GraphProto) -> None:
        kinds = {c.name: c.data_type for c in graph.initializer}
        assert all(kinds[n.input[2]] == onnx.TensorProto.FLOAT for n in graph.node if n.op_type == "Conv")


@pytest.mark.slow(seconds=1)
def test_onnx_runtime_runs_the_same_artefact_to_the_same_picture(model: zoo.Model) -> None:
    from sr4k.engines import EngineSpec, create_engine

    spec = EngineSpec(model="rcan2", height=32, width=48, colour=Colour(), precision="int8")
    gray = pictures.camera()[100:]
    planes = [np.ascontiguousarray(np.broadcast_to(gray[: s[-2], : s[-1]], s)) for s in spec.input_shapes]
    planes[1] = planes[1] // 8 + 112
    session = ort.InferenceSession(to_onnx(model.quantized(Colour()), 32, 48).SerializeToString())
    (theirs,) = session.run(None, {"luma": planes[0][None, None], "chroma": planes[1][None]})
    with create_engine("openvino", spec) as engine:
        ours = engine.infer(planes)
    difference = np.abs(ours.astype(int) - theirs[0].astype(int))
    assert difference.mean() < 0.5
    assert difference.max() <= 6
