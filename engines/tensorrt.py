"""Engine for NVIDIA GPUs by TensorRT: the same int8 graph as on the CPU, or float16. Needs the extra ``[gpu]``.

A TensorRT engine is built for one size and GPU, which takes a while, and cached (`sr4k.engines.cache`). Not yet run on
hardware.
"""

import logging
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from sr4k.engines import cuda_memory
from sr4k.engines.base import Cells, Engine, EngineSpec, Plane, parted
from sr4k.engines.cache import About, EngineCache, key_of
from sr4k.engines.cuda_memory import Graph, Mirrored, Stream
from sr4k.engines.nvidia import Gpu, driver, first_gpu
from sr4k.engines.tensorrt_plan import VERSION, Context, Loaded, build_plan, load_plan, required
from sr4k.engines.tensorrt_versions import Exact
from sr4k.errors import EngineError, InternalError
from sr4k.models import zoo
from sr4k.models.export import to_onnx

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Built:
    """A TensorRT engine on the first GPU. ``kept``: whether it came from the cache; ``macs``: a frame."""

    loaded: Loaded
    kept: bool
    gpu: Gpu
    precision: Exact
    macs: int


class TensorRtEngine(Engine):
    """Three frames in flight: while one is computed, the next is uploaded and the previous one downloaded."""

    in_flight = 3
    precisions = ("auto", "int8", "fp16", "fp32")
    most_bits = 8
    follows_quality = False  # building an engine takes minutes

    def __init__(self, spec: EngineSpec) -> None:
        super().__init__(spec)
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
        return parted(frame.wait())

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
    machine = {"tensorrt": VERSION, "gpu": astuple(gpu)[1:], "cuda": driver().cuda}
    about = About(spec.model, f"{spec.width}x{spec.height}", precision, gpu.name, library=f"TensorRT {VERSION}")
    cache, timing = EngineCache(), key_of(machine)

    def built() -> bytes:
        before = cache.seconds(spec.model)
        length = "may take minutes" if before is None else f"took {before:.0f} s the last time"
        log.warning(
            "Building the engine of %s for %s in %s: this is done once and %s.",
            about.model,
            about.size,
            about.precision,
            length,
        )
        plan, timings = build_plan(graph, precision, cache.timing(timing))
        cache.keep_timing(timing, timings)
        return plan

    loaded, kept = cache.get(key_of({**machine, "precision": precision}, graph), about, load_plan, built)
    return Built(loaded, kept, gpu, precision, network.macs(spec.height, spec.width))


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
    """Set the device address of an input (``rgb``, or ``luma`` and ``chroma``) or of the output (``subpixels``).

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
        for name, memory in zip((*names, "subpixels"), (*self._inputs, self._output), strict=True):
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
