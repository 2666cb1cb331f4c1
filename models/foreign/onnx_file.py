"""Read ONNX files that may be hostile: nothing is taken for granted that the rest relies on.

What can't be checked without running the network is found in a process of its own (`sr4k.engines.foreign_probe`).
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from sr4k.common.printable import first_line
from sr4k.errors import OptionError
from sr4k.models.foreign.store import MOST_BYTES, hash_of_file

_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}

_DOMAINS = {"", "ai.onnx"}


def read_graph(path: Path, *, beside: bool = False) -> onnx.ModelProto:
    """Read and check an ONNX file, with all of its weights in one piece.

    Args:
        path: of the file.
        beside: whether weights may lie in other files of the same folder.

    Raises:
        OptionError: it is no ONNX file, or is damaged, or holds what a network of pictures doesn't; the message says
            what.
    """
    hash_of_file(path)  # checks its kind and size
    try:
        model = onnx.load_model(path, load_external_data=False)
    except OSError as err:
        raise OptionError(f"{path} can't be read ({err.strerror}).") from err
    except Exception as err:  # of protobuf, which onnx does not name
        raise OptionError(f"{path} is no ONNX file, or is cut off or damaged: it can't be decoded.") from err
    if not model.graph.node or not model.opset_import:
        raise OptionError(f"{path} is no ONNX file, or an empty one: it has no operators.")
    _check_operators(path, model)
    _take_in(path, model, beside=beside)
    for tensor in tensors(model):
        _check_tensor(path, tensor)
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as err:
        raise OptionError(f"{path} is no valid ONNX: {_first_line(err)}") from err
    return model


def tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield all tensors of values that a model holds: weights, and constants of its operators."""
    for graph in _graphs(model.graph):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.TENSOR:
                    yield attribute.t
                yield from attribute.tensors


def nodes_of(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield all operators of a model, those inside of others included."""
    for graph in _graphs(model.graph):
        yield from graph.node


def parameters(model: onnx.ModelProto) -> int:
    """Return the number of weights."""
    return sum(math.prod(tensor.dims) for tensor in model.graph.initializer)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs(attribute.g)
            for inner in attribute.graphs:
                yield from _graphs(inner)


def _check_operators(path: Path, model: onnx.ModelProto) -> None:
    own = {function.domain for function in model.functions}
    others = {node.domain for graph in _graphs(model.graph) for node in graph.node} - _DOMAINS - own
    if others:
        raise OptionError(
            f"{path} is refused: it has operators of {', '.join(sorted(others))}, which are not ONNX's own."
        )


def _take_in(path: Path, model: onnx.ModelProto, *, beside: bool) -> None:
    """Load weights that lie in other files, if they lie in the same folder."""
    apart = [tensor for tensor in tensors(model) if tensor.data_location == TensorProto.EXTERNAL]
    if not apart:
        return
    if not beside:
        raise OptionError(f"{path} has its weights in other files: sr4k model add {path} takes them into one.")
    total = 0
    for tensor in apart:
        location = external_data_helper.ExternalDataInfo(tensor).location
        file = path.parent / location
        if Path(location).name != location or file.is_symlink() or not file.is_file():
            raise OptionError(
                f"{path} is refused: its weights are said to lie in {location!r}, which is no file beside it."
            )
        total = max(total, file.stat().st_size)
        if total > MOST_BYTES:
            raise OptionError(f"{path}: its weights in {location} are too large: {MOST_BYTES >> 20} MiB at most.")
        _check_size(path, tensor, file.stat().st_size)
    try:
        for tensor in apart:
            external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]
    except (OSError, ValueError, RuntimeError, onnx.checker.ValidationError) as err:
        raise OptionError(f"{path}: its weights can't be read from the files beside it: {_first_line(err)}") from err


def _check_tensor(path: Path, tensor: onnx.TensorProto) -> None:
    """Check that a tensor is as large as it says, and that its values are numbers."""
    _check_size(path, tensor, None)
    if tensor.data_type not in _FLOATS:
        return
    try:
        values = numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as err:
        raise OptionError(f"{path} is damaged: its tensor {tensor.name!r} can't be read: {_first_line(err)}") from err
    if not np.isfinite(values.astype(np.float32, copy=False)).all() and values.size > 1:
        raise OptionError(f"{path} is damaged: its tensor {tensor.name!r} holds values that are not finite.")


def _check_size(path: Path, tensor: onnx.TensorProto, room: int | None) -> None:
    """Check a tensor's shape against what there is of it.

    Args:
        path: of the ONNX file.
        tensor: of the file.
        room: bytes of the file that holds it; ``None``: it holds its values itself.
    """
    try:
        kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except (KeyError, ValueError) as err:
        raise OptionError(f"{path} is damaged: its tensor {tensor.name!r} is of an unknown type.") from err
    wanted = math.prod(tensor.dims)
    held = room if room is not None else (len(tensor.raw_data) or None)
    least = wanted * kind.itemsize if tensor.data_type not in _SMALL else wanted // 2
    absurd = any(side < 0 for side in tensor.dims) or wanted > MOST_BYTES
    if absurd or (held is not None and least > held) or (held is None and wanted > _values(tensor)):
        shape = "x".join(map(str, tensor.dims))
        raise OptionError(f"{path} is damaged: its tensor {tensor.name!r} is said to be {shape}, and isn't all there.")


_SMALL = {TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1}
"""Types of which two values share a byte."""


def _values(tensor: onnx.TensorProto) -> int:
    return max(
        len(tensor.float_data),
        len(tensor.int32_data) * (2 if tensor.data_type in _SMALL else 1),
        len(tensor.int64_data),
        len(tensor.double_data),
        len(tensor.uint64_data),
        len(tensor.string_data),
    )


def _first_line(err: BaseException) -> str:
    return first_line(err, 300)
