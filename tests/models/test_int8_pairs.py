from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from sr4k.engines.cpu import int8_of
from sr4k.engines.openvino_library import shared_core
from sr4k.models import zoo
from sr4k.models.cell_input import on_cells, reads_cells
from sr4k.models.colour import Colour
from sr4k.models.int8_pairs import ordered_for_pairs
from sr4k.models.quantize import QuantizedNetwork, equalise

SETS = [("luma", 0), ("luma", 25), ("luma-fast", 0), ("luma-large", 0), ("luma-restore", 0), ("rcan2", 0), ("rcan", 0)]


def as_read(quantized: QuantizedNetwork, name: str) -> np.ndarray:
    """Return the integers (out, in, height, width) as OpenVINO reads them on a CPU."""
    conv, steps = quantized.network.convs[name], quantized.weight_scales[name]
    whole = replace(conv, kernel=np.rint(conv.kernel / steps[:, None, None, None]))
    return on_cells(whole).kernel if conv.codes and reads_cells(quantized.network) else whole.kernel


def extremes(quantized: QuantizedNetwork) -> tuple[int, int]:
    """Return the least and the largest sum of two neighbouring channels' products with bytes."""
    sums = []
    for name in quantized.network.quantised:
        products = np.multiply.outer(as_read(quantized, name), [0, 255])
        least, largest = products.min(-1), products.max(-1)
        pairs = range(0, least.shape[1], 2)
        sums += [np.add.reduceat(each, pairs, axis=1) for each in (least, largest)]
    return int(min(each.min() for each in sums)), int(max(each.max() for each in sums))


@pytest.mark.parametrize(("model", "quality"), SETS)
def test_no_pair_of_products_leaves_16_bits(model: str, quality: int) -> None:
    least, largest = extremes(zoo.load(model, quality=quality).quantized(Colour(), in_pairs=True))
    assert least >= -(2**15)
    assert largest < 2**15


@pytest.mark.parametrize("colour", [Colour(full_range=True), Colour(sampling="444"), None], ids=str)
@pytest.mark.parametrize("sharpness", [50, 100])
def test_of_any_sharpness_and_colour_format(sharpness: int, colour: Colour | None) -> None:
    least, largest = extremes(zoo.load("luma", quality=20, sharpness=sharpness).quantized(colour, in_pairs=True))
    assert least >= -(2**15)
    assert largest < 2**15


def one_convolution(weights: np.ndarray) -> bytes:
    """Return an int8 convolution without padding as a Q/DQ graph, with steps of 1."""
    outputs, inputs, *_ = weights.shape
    constants = {
        "step": np.float32(1),
        "zero": np.int8(0),
        "weights": weights.astype(np.float32),
        "steps": np.ones(outputs, np.float32),
        "zeros": np.zeros(outputs, np.int8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["d"]),
        helper.make_node("QuantizeLinear", ["weights", "steps", "zeros"], ["wq"], axis=0),
        helper.make_node("DequantizeLinear", ["wq", "steps", "zeros"], ["wd"], axis=0),
        helper.make_node("Conv", ["d", "wd"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, inputs, 24, 24])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


@pytest.mark.slow(seconds=1)
@pytest.mark.skipif(int8_of() is None, reason="this CPU runs float")
@pytest.mark.parametrize("model", ["luma", "luma-fast", "rcan2"])
def test_openvinos_sums_are_exact_where_they_are_largest(model: str) -> None:
    """Each layer reads the bytes at which the sums of one output are as far from 0 as they get, at each position."""
    core, draw = shared_core(), np.random.default_rng(0)
    quantized = zoo.load(model).quantized(Colour(), in_pairs=int8_of() == "pairs")
    for name in quantized.network.quantised:
        weights = as_read(quantized, name)
        outputs, inputs, height, width = weights.shape
        x = np.zeros((1, inputs, 24, 24), np.float32)
        for top in range(0, 24 - height + 1, height):
            for left in range(0, 24 - width + 1, width):
                sign = draw.choice([-1, 1])
                extreme = np.where(sign * weights[draw.integers(outputs)] > 0, 127, -128)
                x[0, :, top : top + height, left : left + width] = extreme
        run = core.compile_model(core.read_model(one_convolution(weights)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        windows = np.lib.stride_tricks.sliding_window_view(x[0], (height, width), axis=(1, 2))
        expected = np.einsum("cyxuv,ocuv->oyx", windows.astype(np.int64), weights.astype(np.int64))
        np.testing.assert_array_equal(run(x)[0][0], expected, err_msg=name)


def test_those_of_the_usual_weights_do() -> None:
    assert extremes(zoo.load("luma").quantized(Colour()))[1] >= 2**15


@pytest.mark.parametrize(("model", "quality"), SETS)
def test_few_steps_grow_and_only_a_little(model: str, quality: int) -> None:
    loaded = zoo.load(model, quality=quality)
    usual, paired = (loaded.quantized(Colour(), in_pairs=in_pairs).weight_scales for in_pairs in (False, True))
    grown = np.concatenate([np.sort(paired[name]) / np.sort(usual[name]) for name in usual])
    assert grown.min() >= 1 - 1e-9
    assert grown.mean() < 1.1
    assert grown.max() <= 2


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("model", ["luma", "rcan2"])
def test_another_order_of_channels_is_the_same_function(model: str) -> None:
    torch = pytest.importorskip("torch")
    from sr4k.models.execute import FoldedExecutor

    loaded = zoo.load(model)
    assert loaded.calibration is not None
    network = equalise(loaded.folded(None), loaded.calibration.gains)
    means = {name: np.arange(network.convs[name].kernel.shape[1]) + 0.0 for name in network.quantised}
    ordered, moved = ordered_for_pairs(network, means)
    picture = 255 * torch.from_numpy(np.random.default_rng(0).random((1, 3, 45, 53)))
    made, expected = (FoldedExecutor(each, dtype=torch.float64)(picture) for each in (ordered, network))
    assert torch.allclose(made, expected, rtol=0, atol=1e-9)
    assert all(sorted(moved[name]) == list(means[name]) for name in means)
    assert any(list(moved[name]) != list(means[name]) for name in means)
