"""Int8 forms of foreign networks by NNCF, which measures their activations on pictures. Needs ``[quantize]``.

Weights have half of int8's range, so that the sums are exact on every CPU, and a network gives the same picture on all.
What comes before and with the first layer, and with and after the last, stays in float: it makes the picture itself,
whose levels 8 bits on the way would coarsen. Other layers go back to float, those that harm most first, until the loss
is small enough.
"""

import io
import logging
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from sr4k.common.printable import one_line
from sr4k.engines import openvino_library  # noqa: F401  keeps NNCF from sending its telemetry
from sr4k.errors import EngineError, OptionError
from sr4k.models.foreign.onnx_file import nodes_of, tensors

_usual = logging.getLoggerClass()
try:
    import nncf
    import onnxruntime
except ImportError as err:
    raise OptionError(
        f"To quantise a network of yours NNCF and ONNX Runtime are needed ({err}): pip install 'sr4k-stream[quantize]'."
    ) from err
finally:
    logging.setLoggerClass(_usual)  # NNCF makes its own the class of all loggers

Given = NDArray[Any]
"""An input as the network takes it."""

_LAYERS = {"Conv", "ConvTranspose", "MatMul", "Gemm"}

_OPSET = 17
_PER_CHANNEL = 13
"""First opset with scales for each channel of the weights."""


_HALVES = {TensorProto.FLOAT16, TensorProto.BFLOAT16}


def quantized(
    graph: bytes, given: Sequence[Given], tests: Sequence[Any], score: Callable[[bytes, Any], float], max_loss: float
) -> bytes:
    """Return the int8 form of a network in ONNX, with as many layers in float as the loss demands.

    What is in 16 bits in the network, its input and output included, is in float32 in that form.

    Args:
        graph: the network.
        given: inputs to measure activations on: float32, or integers for a network on integers.
        tests: what it is scored on.
        score: returns what a network in ONNX reaches in one test, in dB.
        max_loss: mean of the scores that may be lost; more may be lost in spite of it.

    Raises:
        OptionError: it has no layers that could be in int8, or ONNX Runtime can't run it.
        EngineError: NNCF fails.
    """
    model = _named(graph)
    _widen(model)
    ends = _ends(model)
    if all(node.name in ends for node in model.graph.node if node.op_type in _LAYERS):
        raise OptionError("it has no layers between its first and its last one, which stay in float.")
    (name,) = {each.name for each in model.graph.input} - {each.name for each in model.graph.initializer}

    def validate(found: onnx.ModelProto, data: Iterable[Any]) -> tuple[float, list[float]]:
        made = found.SerializeToString()
        scores = [score(made, test) for test in data]
        return sum(scores) / len(scores), scores

    _free_size(model, name)
    _check_runs(model, {name: given[0]})
    logging.getLogger("nncf").setLevel(logging.ERROR)  # its own function changes handlers that others put there
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # its progress bars
            warnings.simplefilter("ignore")
            made = nncf.quantize_with_accuracy_control(
                model,
                calibration_dataset=nncf.Dataset([{name: each} for each in given]),
                validation_dataset=nncf.Dataset(list(tests)),
                validation_fn=validate,
                max_drop=max_loss,
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(given),
                model_type=nncf.ModelType.TRANSFORMER if _has(model, "Softmax") else None,
                ignored_scope=nncf.IgnoredScope(names=sorted(ends), validate=False),
                advanced_quantization_parameters=nncf.AdvancedQuantizationParameters(
                    overflow_fix=nncf.OverflowFix.ENABLE  # so that products fit into pairs: `sr4k.models.int8_pairs`
                ),
                advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                    ranking_subset_size=len(tests)
                ),
            )
    except Exception as err:  # whatever a quantiser makes of an architecture
        words = one_line(str(err), 300)
        raise EngineError(f"NNCF can't quantise it: {words or type(err).__name__}") from err
    return bytes(made.SerializeToString())


def layers_in_int8(graph: bytes) -> tuple[int, int]:
    """Return how many layers of a network read int8, and how many it has."""
    model = onnx.load_from_string(graph)
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    layers = [node for node in model.graph.node if node.op_type in _LAYERS]
    return sum(makers.get(node.input[0]) == "DequantizeLinear" for node in layers), len(layers)


def _named(graph: bytes) -> onnx.ModelProto:
    """Return a network whose operators have names of their own, in an opset with scales for each channel."""
    model = onnx.load_from_string(graph)
    if max(each.version for each in model.opset_import if each.domain in ("", "ai.onnx")) < _PER_CHANNEL:
        try:
            model = onnx.version_converter.convert_version(model, _OPSET)
        except Exception as err:  # of its C++ part, which has no types
            raise EngineError("its opset is too old, and it can't be converted: export it with opset 17.") from err
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"
    return model


def _widen(model: onnx.ModelProto) -> None:
    """Put float32 in place of floats of 16 bits: NNCF takes no others."""
    for tensor in tensors(model):
        if tensor.data_type in _HALVES:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for node in nodes_of(model):
        for attribute in node.attribute:
            if attribute.name in ("to", "dtype") and attribute.i in _HALVES:
                attribute.i = TensorProto.FLOAT
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.elem_type in _HALVES:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    del model.graph.value_info[:]
    _drop_casts(model)


def _drop_casts(model: onnx.ModelProto) -> None:
    """Make casts that change nothing copies: NNCF drops such casts, and with them the name of an output."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.output, *graph.value_info)
    kinds = {value.name: value.type.tensor_type.elem_type for value in values}
    for node in model.graph.node:
        if node.op_type == "Cast" and kinds.get(node.input[0]) == kinds.get(node.output[0]) is not None:
            node.op_type = "Identity"
            del node.attribute[:]


def _free_size(model: onnx.ModelProto, name: str) -> None:
    """Take back the size that pictures are said to have: where there is one, the operators have it as well."""
    for value in (*model.graph.input, *model.graph.output):
        if value.name == name or value in model.graph.output:
            for number, side in enumerate(value.type.tensor_type.shape.dim):
                if side.dim_value > 3:  # no batch, and no channels
                    side.dim_param = f"{value.name}_{number}"


def _check_runs(model: onnx.ModelProto, given: dict[str, Given]) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"]).run(None, given)
    except Exception as err:  # of its C++ part: of classes that have no common one
        words = one_line(str(err))
        raise OptionError(f"ONNX Runtime, in which activations are measured, can't run it ({words}).") from err


def _ends(model: onnx.ModelProto) -> set[str]:
    """Return the names of operators that no layer comes before, and of those that none comes after."""
    nodes = list(model.graph.node)  # in order: ONNX demands it
    after: set[str] = set()  # values that a layer has made
    head = set()
    for node in nodes:
        if not after.intersection(node.input):
            head.add(node.name)
        if node.op_type in _LAYERS or after.intersection(node.input):
            after.update(node.output)
    readers = defaultdict(list)
    for node in nodes:
        for name in node.input:
            readers[name].append(node)
    before: set[str] = set()  # operators that a layer comes after
    for node in reversed(nodes):
        if any(r.op_type in _LAYERS or r.name in before for name in node.output for r in readers[name]):
            before.add(node.name)
    return head | {node.name for node in nodes} - before


def _has(model: onnx.ModelProto, kind: str) -> bool:
    return any(node.op_type == kind for node in model.graph.node)
