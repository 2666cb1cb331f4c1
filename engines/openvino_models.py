"""Networks compiled by OpenVINO for one of its devices: in which precision, and with which settings."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sr4k.common.option_names import option
from sr4k.engines.base import Cells, EngineSpec, Plane, parted
from sr4k.engines.cpu import granted_cpus, int8_of
from sr4k.engines.openvino_fork import remember
from sr4k.engines.openvino_library import ov
from sr4k.errors import OptionError
from sr4k.models.architecture import Precision
from sr4k.models.cell_input import reads_cells, write_cells
from sr4k.models.chroma_pairs import makes_pairs
from sr4k.models.export import to_onnx
from sr4k.models.foreign.store import Foreign
from sr4k.models.source_range import write_range

CPU = "CPU"
"""OpenVINO's name of the CPU."""

_STREAMS = 2
"""Frames computed in parallel, each by half of the threads, so that fewer threads wait for each other at every layer.
With ``prompt`` one frame is computed by all threads."""

_FLOATS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16"}
"""OpenVINO's names of the types for what is not int8, and ours."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a device is to run.

    Attributes:
        graph: the network, in ONNX or as OpenVINO has it.
        config: OpenVINO's properties.
        precision: that the network runs in: ``int8``, ``fp16``, ``bf16`` or ``fp32``.
        macs: multiply-accumulates per frame.
        key: bytes that differ for different networks.
        cells: whether it reads luma as cells (`sr4k.models.cell_input`).
        ranged: whether it reads the range of luma around each cell, too.
        planes: whether it makes planes, as networks that users bring do, instead of cells.
    """

    graph: "bytes | ov.Model"
    config: Mapping[str, Any]
    precision: str
    macs: int
    key: bytes
    cells: bool = False
    ranged: bool = False
    planes: bool = False


def threads_of(spec: EngineSpec) -> int:
    """Return the number of CPU threads of an engine."""
    return spec.threads or granted_cpus()


def streams_of(spec: EngineSpec) -> int:
    """Return the number of frames that an engine computes in parallel."""
    return 1 if spec.prompt else min(_STREAMS, threads_of(spec))


def plan(core: "ov.Core", device: str, spec: EngineSpec) -> Plan:
    """Choose precision and settings of a network for a device.

    On the CPU all that is not int8 is float32. Elsewhere it is float16, unless pictures of more than 8 bits or
    ``spec.precision`` need float32 and the device has it.

    Args:
        core: OpenVINO.
        device: its name of a device, such as ``GPU.1``.
        spec: the network and its frames.

    Raises:
        OptionError: the network has no int8 calibration, or its pictures are too deep for it.
        EngineError: OpenVINO does not take a network that the user brought.
    """
    is_deep = spec.colour is not None and spec.colour.bits > 8
    if (foreign := spec.foreign) is not None:
        return _plain_plan(core, device, spec, foreign, is_deep=is_deep)
    model = spec.network()
    fast = spec.precision == "auto" and _has_int8(core, device) and model.calibration is not None and not is_deep
    is_int8 = spec.precision == "int8" or fast
    quantized = model.quantized(spec.colour, in_pairs=_adds_in_pairs(device)) if is_int8 else None
    network = model.folded(spec.colour) if quantized is None else quantized.network
    cells = device == CPU and reads_cells(network)
    pairs = device == CPU and makes_pairs(network)
    ranged = device == CPU and network.yuv and network.beyond is not None
    graph = to_onnx(
        quantized or network,
        spec.height,
        spec.width,
        rounded=spec.rounded,
        cells=cells,
        apart=True,
        pairs=pairs,
        ranged=ranged,
    )
    config = _cpu_config(spec) if device == CPU else _config(core, device, spec, is_exact=is_deep)
    made = graph.SerializeToString()
    precision = "int8" if is_int8 else _float_of(config)
    return Plan(made, config, precision, network.macs(spec.height, spec.width), made, cells, ranged)


def compiled(core: "ov.Core", device: str, made: Plan) -> "ov.CompiledModel":
    """Compile a network for a device.

    Raises:
        RuntimeError: the device does not take it.
    """
    graph = core.read_model(made.graph) if isinstance(made.graph, bytes) else made.graph
    model = core.compile_model(graph, device, dict(made.config))
    if device == CPU:
        remember(model, made.config)
    return model


def give(request: "ov.InferRequest", planes: Sequence[Plane], *, cells: bool, ranged: bool) -> None:
    """Set the inputs of a network, without a copy except of luma as cells. The planes must last until it is done."""
    first = 0
    if ranged:
        write_range(planes[0], *(request.get_input_tensor(len(planes) + k).data[0, 0] for k in range(2)))
    if cells:
        write_cells(planes[0], request.get_input_tensor(0).data[0])
        first = 1
    for index, plane in enumerate(planes[first:], first):
        batch = plane.reshape(1, *([1] * (3 - plane.ndim)), *plane.shape)
        request.set_input_tensor(index, ov.Tensor(batch, shared_memory=True))


def result_of(request: "ov.InferRequest", *, planes: bool = False) -> Cells:
    """Return the sub-pixels that a network has computed, or its planes: views of its memory."""
    first, *others = (tensor.data[0] for tensor in request.output_tensors)
    if others:
        return (first, *(part[:, : first.shape[1]] for part in others))  # pairs of cells may cover one column more
    return (first,) if planes else parted(first)


def property_of(core: "ov.Core", device: str, name: str) -> Any:
    """Return a property of a device, ``None`` if it has none of that name."""
    with suppress(RuntimeError):
        return core.get_property(device, name)
    return None


def _plain_plan(core: "ov.Core", device: str, spec: EngineSpec, foreign: Foreign, *, is_deep: bool) -> Plan:
    """Return the plan of a network that the user brought."""
    from sr4k.engines.foreign_graph import plain_graph  # here: other networks do without it

    config = _cpu_config(spec) if device == CPU else _config(core, device, spec, is_exact=is_deep)
    config |= _hint_of(core, device, spec.precision)
    precision = "int8" if foreign.card.precision == "int8" else _float_of(config)
    shape = f"{foreign.card.sha256} {spec.input_shapes} {spec.colour} {spec.rounded}"
    macs = foreign.card.macs(spec.height, spec.width)
    return Plan(plain_graph(core, foreign, spec), config, precision, macs, shape.encode(), planes=True)


def half_precisions(core: "ov.Core", device: str) -> list[Precision]:
    """Return the types of 16 bits that a device computes in."""
    able = property_of(core, device, "OPTIMIZATION_CAPABILITIES") or ()
    halves: tuple[Precision, ...] = ("bf16", "fp16")
    return [each for each in halves if each.upper() in able]


def _hint_of(core: "ov.Core", device: str, precision: Precision) -> dict[str, str]:
    """Return the setting for a type of 16 bits that was asked for. OpenVINO itself would take another in its place."""
    if precision not in ("bf16", "fp16"):
        return {}
    if precision not in (able := half_precisions(core, device)):
        instead = f"use {' or '.join(able)}, or leave it out" if able else "leave it out"
        raise OptionError(
            f"OpenVINO's {device} does not compute in {precision} here ({option('precision')}): {instead}."
        )
    return {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f16"}


def _float_of(config: Mapping[str, Any]) -> str:
    return _FLOATS[config.get("INFERENCE_PRECISION_HINT", "f16")]  # an NPU has no choice


def _cpu_config(spec: EngineSpec) -> dict[str, Any]:
    return {
        "INFERENCE_NUM_THREADS": threads_of(spec),
        "NUM_STREAMS": streams_of(spec),
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # decoder and encoder share the cores
    }


def _config(core: "ov.Core", device: str, spec: EngineSpec, *, is_exact: bool) -> dict[str, Any]:
    wanted = {
        "PERFORMANCE_HINT": "LATENCY" if spec.prompt else "THROUGHPUT",
        "INFERENCE_PRECISION_HINT": "f32" if is_exact or spec.precision == "fp32" else "f16",
    }
    settable = _settable(core, device)
    return {key: value for key, value in wanted.items() if key in settable}


def _has_int8(core: "ov.Core", device: str) -> bool:
    """Whether a device computes in int8 faster than in float."""
    if device == CPU:
        return int8_of() is not None
    return "INT8" in (property_of(core, device, "OPTIMIZATION_CAPABILITIES") or ())


def _adds_in_pairs(device: str) -> bool:
    return device == CPU and int8_of() != "dot products"


def _settable(core: "ov.Core", device: str) -> set[str]:
    """Return the names of the properties that can be set on a device."""
    family = device.partition(":")[0]
    return {key for key, mode in (property_of(core, family, "SUPPORTED_PROPERTIES") or {}).items() if mode == "RW"}
