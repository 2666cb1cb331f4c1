"""Measures the CPU's peak: int8 multiply-accumulates per second by OpenVINO on convolutions that suit it best."""

import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sr4k.engines.openvino_library import ov, shared_core

_CHANNELS, _SIDE, _LAYERS = 1024, 32, 8
"""Sizes of 1x1 convolutions whose weights and features stay in the cache."""

_QUANTISED = {"step": np.float32(0.05), "zero": np.int8(0)}

_ROUNDS = 5


def int8_peak(threads: int) -> float:
    """Return the multiply-accumulates per second of ``threads`` threads, the best of several rounds."""
    core = shared_core()
    config = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(_graph().SerializeToString()), "CPU", config)
    queue = ov.AsyncInferQueue(compiled, threads)
    features = np.random.default_rng(0).random((1, _CHANNELS, _SIDE, _SIDE), np.float32)
    macs = threads * _LAYERS * _CHANNELS**2 * _SIDE**2

    def seconds() -> float:
        began = time.perf_counter()
        for _ in range(threads):
            queue.start_async([features])
        queue.wait_all()
        return time.perf_counter() - began

    seconds()
    return macs / min(seconds() for _ in range(_ROUNDS))


def _graph() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in _QUANTISED.items()]
    nodes, x = [], "x"
    for layer in range(_LAYERS):
        weights = rng.integers(-127, 128, (_CHANNELS, _CHANNELS, 1, 1), dtype=np.int8)
        constants.append(numpy_helper.from_array(weights, f"weights_{layer}"))
        nodes += [
            helper.make_node("QuantizeLinear", [x, "step", "zero"], [f"q_{layer}"]),
            helper.make_node("DequantizeLinear", [f"q_{layer}", "step", "zero"], [f"dq_{layer}"]),
            helper.make_node("DequantizeLinear", [f"weights_{layer}", "step", "zero"], [f"w_{layer}"]),
            helper.make_node("Conv", [f"dq_{layer}", f"w_{layer}"], [f"x_{layer}"]),
        ]
        x = f"x_{layer}"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, _CHANNELS, _SIDE, _SIDE]) for name in ("x", x)]
    graph = helper.make_graph(nodes, "peak", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
