"""Engine for NVIDIA GPUs by TensorRT: the same int8 graph as on the CPU, or float16. Needs the extra ``[gpu]``.

A TensorRT engine is built for one size and GPU, which takes a while, and cached (`sr4k.engines.tensorrt_kept`).
Networks that users bring run in float16 where that makes the picture of float32. Not yet run on hardware.
"""

import logging
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from sr4k.common.option_names import option
from sr4k.engines import cuda_memory
from sr4k.engines.base import Cells, Engine, EngineSpec, Plane, parted
from sr4k.engines.cuda_memory import Graph, Mirrored, Stream
from sr4k.engines.nvidia import Gpu, driver, first_gpu
from sr4k.engines.tensorrt_kept import Built, kept_or_built
from sr4k.engines.tensorrt_plan import VERSION, Context, Loaded, required
from sr4k.engines.tensorrt_versions import Exact
from sr4k.errors import EngineError, InternalError, OptionError
from sr4k.models import zoo
from sr4k.models.export import to_onnx
from sr4k.models.foreign.store import Foreign

log = logging.getLogger(__name__)


class TensorRtEngine(Engine):
    """Three frames in flight: while one is computed, the next is uploaded and the previous one downloaded."""

    in_flight = 3
    precisions = ("auto", "int8", "fp16", "fp32")
    takes_foreign = True
    foreign_precisions = ("auto", "fp16", "fp32")
    most_bits = 8
    follows_quality = False  # building an engine takes minutes

    def __init__(self, spec: EngineSpec) -> None:
        super().__init__(spec)
        if (foreign := spec.foreign) is not None and foreign.card.precision == "int8":
            raise OptionError(
                f"TensorRT doesn't run {spec.model}, an int8 form that sr4k quantize made: use "
                f"{option('engine', 'openvino')}, or the network in float."
            )
        self._resources = ExitStack()
        self._idle: deque[_Slot] = deque()
        self._running: deque[_Slot] = deque()
        self._built: Built | None = None

    def activate_impl(self) -> None:
        self._built = build(self.spec)
        with ExitStack() as resources:
            self._idle.extend([_Slot(self._built.loaded, self.spec, resources) for _ in range(self.in_flight)])
            self._resources = resources.pop_all()

    def deactivate_impl(self) -> None:
        self._resources.close()
        self._idle.clear()  # execution contexts must be destroyed before the engine
        self._running.clear()
        self._built = None

    def submit_impl(self, planes: Sequence[Plane]) -> None:
        frame = self._idle.popleft()
        frame.start(planes)
        self._running.append(frame)

    def result_impl(self) -> Cells:
        frame = self._running.popleft()
        self._idle.append(frame)
        made = frame.wait()
        return parted(made) if self.spec.foreign is None else (made,)

    def describe(self) -> dict[str, Any]:
        if self._built is None:
            raise InternalError("the engine is not active.")
        return describe(self.spec, self._built)


def build(spec: EngineSpec) -> Built:
    """Return the engine of a spec, from the cache or newly built.

    Raises:
        EngineError: there is no GPU, or TensorRT can't build the engine.
        OptionError: the network doesn't exist in the precision of the spec.
    """
    gpu = first_gpu(driver())  # before any object of TensorRT exists
    cuda_memory.start()
    if (foreign := spec.foreign) is not None:
        return _built_of_foreign(spec, foreign, gpu)
    model = spec.network()
    precision = _settled(spec, model)
    quantized = model.quantized(spec.colour) if precision == "int8" else None
    network = model.folded(spec.colour) if quantized is None else quantized.network
    exported = to_onnx(
        quantized or network,
        spec.height,
        spec.width,
        half=precision == "fp16",
        cast_last=True,
        rounded=spec.rounded,
    )
    graph = exported.SerializeToString(deterministic=True)
    return kept_or_built(graph, precision, spec, gpu, network.macs(spec.height, spec.width))


def _built_of_foreign(spec: EngineSpec, foreign: Foreign, gpu: Gpu) -> Built:
    """Return the engine of a network that the user brought, in float16 if that is asked for, or makes its picture."""
    from sr4k.engines.half_trial import half_trouble  # here: other networks do without OpenVINO

    macs = foreign.card.macs(spec.height, spec.width)
    if spec.precision != "fp32":
        try:
            built = kept_or_built(_graph_of(spec, foreign, half=True), "fp16", spec, gpu, macs)
            if spec.precision == "fp16":
                return built
            trouble = half_trouble(built.key, spec, lambda planes: _picture(built, spec, planes))
        except EngineError as err:
            if spec.precision == "fp16":
                raise
            trouble = str(err)
        if trouble is None:
            return built
        log.warning("%s runs in float32 and not in float16: %s.", spec.model, trouble)
    return kept_or_built(_graph_of(spec, foreign, half=False), "fp32", spec, gpu, macs)


def _graph_of(spec: EngineSpec, foreign: Foreign, *, half: bool) -> bytes:
    from sr4k.models.foreign.planes_graph import Picture, planes_graph

    picture = Picture(height=spec.height, width=spec.width, colour=spec.colour, rounded=spec.rounded)
    made = planes_graph(foreign.path.read_bytes(), foreign.card, picture, half=half)
    return bytes(made.SerializeToString(deterministic=True))


def _picture(built: Built, spec: EngineSpec, planes: Sequence[Plane]) -> Plane:
    """Compute one picture."""
    with ExitStack() as resources:
        slot = _Slot(built.loaded, spec, resources)
        slot.start(planes)
        return slot.wait().copy()


def describe(spec: EngineSpec, built: Built) -> dict[str, Any]:
    """Return what `Engine.describe` returns, and ``kept``: whether the engine came from the cache."""
    return {
        "engine": "tensorrt",
        "version": VERSION,
        "device": built.gpu.name,
        "model": spec.model,
        "precision": built.precision,
        "threads": 1,
        "macs": built.macs,
        "kept": built.kept,
    }


def bind(context: Context, name: str, address: int) -> None:
    """Set the device address of an input (``rgb``, or ``luma`` and ``chroma``) or of the output.

    The output is ``subpixels``, or ``planes`` of a network that the user brought.

    Raises:
        EngineError: the engine has no such input or output.
    """
    required(f"knows no '{name}'", lambda: context.set_tensor_address(name, address) or None)


def enqueue(context: Context, stream: int) -> None:
    """Enqueue one frame on a stream.

    Raises:
        EngineError: TensorRT refuses; the message says why.
    """
    required("can't run the engine", lambda: context.execute_async_v3(stream) or None)


class _Slot:
    """The resources of one frame in flight: a stream, an execution context, and memory on host and device.

    Upload, network and download are captured as one CUDA graph where possible, so that a frame costs one call.
    """

    def __init__(self, loaded: Loaded, spec: EngineSpec, resources: ExitStack) -> None:
        self._stream = resources.enter_context(Stream())
        self._context = loaded.new_context()
        self._inputs = [resources.enter_context(Mirrored(shape, spec.input_dtype)) for shape in spec.input_shapes]
        self._output = resources.enter_context(Mirrored(spec.output_shape, spec.output_dtype))
        names = ("rgb",) if spec.colour is None else ("luma", "chroma")
        made = "subpixels" if spec.foreign is None else "planes"
        for name, memory in zip((*names, made), (*self._inputs, self._output), strict=True):
            bind(self._context, name, memory.device)
        self._enqueue()  # TensorRT must have run once before a capture
        self._stream.wait()
        self._graph: Graph | None = None
        try:
            self._graph = resources.enter_context(self._stream.captured(self._enqueue))
        except EngineError as err:
            log.info("Without a CUDA graph: %s", err)

    def start(self, planes: Sequence[Plane]) -> None:
        for memory, plane in zip(self._inputs, planes, strict=True):
            np.copyto(memory.host, plane)
        if self._graph is None:
            self._enqueue()
        else:
            self._graph.launch()

    def wait(self) -> Plane:
        self._stream.wait()
        return self._output.host

    def _enqueue(self) -> None:
        for memory in self._inputs:
            memory.upload(self._stream)
        enqueue(self._context, self._stream.handle)
        self._output.download(self._stream)


def _settled(spec: EngineSpec, model: zoo.Model) -> Exact:
    if spec.precision == "auto" or spec.precision == "bf16":  # it was refused before
        return "fp16" if model.calibration is None else "int8"
    return spec.precision
