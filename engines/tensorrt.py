"""TensorRT on an NVIDIA GPU: the same int8 graph as on the CPU, or float16. Needs the extra ``[gpu]``.

An engine is built for one size on the GPU that is to run it, which takes a while, and kept (`sr4k.engines.cache`).
Not yet run on hardware.
"""

import logging
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import astuple
from typing import Any

import numpy as np

from sr4k.engines import cuda_memory
from sr4k.engines.base import Engine, EngineSpec, Plane
from sr4k.engines.cache import About, EngineCache, key_of
from sr4k.engines.cuda_memory import Graph, Mirrored, Stream
from sr4k.engines.nvidia import driver, first_gpu
from sr4k.engines.tensorrt_plan import VERSION, Loaded, build_plan, load_plan, required
from sr4k.engines.tensorrt_versions import Exact
from sr4k.errors import EngineError
from sr4k.models import zoo
from sr4k.models.export import to_onnx

log = logging.getLogger(__name__)


class TensorRtEngine(Engine):
    """While one picture is computed, the next is on its way to the GPU and the one before on its way back."""

    in_flight = 3
    precisions = ("auto", "int8", "fp16", "fp32")
    most_bits = 8

    def __init__(self, spec: EngineSpec) -> None:
        super().__init__(spec)
        self._resources = ExitStack()
        self._idle: deque[_Frame] = deque()
        self._running: deque[_Frame] = deque()
        self._loaded: Loaded | None = None

    def activate_impl(self) -> None:
        self._gpu = first_gpu(driver())  # before anything of TensorRT is made
        cuda_memory.start()
        model = zoo.load(self.spec.model, self.spec.weights)
        self._precision = _settled(self.spec, model)
        self._loaded, self._was_kept = self._built(model)
        with ExitStack() as resources:
            self._idle.extend([_Frame(self._loaded, self.spec, resources) for _ in range(self.in_flight)])
            self._resources = resources.pop_all()

    def deactivate_impl(self) -> None:
        self._resources.close()
        self._idle.clear()  # what runs an engine goes before the engine
        self._running.clear()
        self._loaded = None

    def submit_impl(self, planes: Sequence[Plane]) -> None:
        frame = self._idle.popleft()
        frame.start(planes)
        self._running.append(frame)

    def result_impl(self) -> Plane:
        frame = self._running.popleft()
        self._idle.append(frame)
        return frame.wait()

    def describe(self) -> dict[str, Any]:
        return {
            "engine": "tensorrt",
            "version": VERSION,
            "device": self._gpu.name,
            "model": self.spec.model,
            "precision": self._precision,
            "threads": 1,
            "macs": self._macs,
            "kept": self._was_kept,
        }

    def _built(self, model: zoo.Model) -> tuple[Loaded, bool]:
        """The engine, and whether it was in the cache."""
        spec, precision = self.spec, self._precision
        quantized = model.quantized(spec.colour) if precision == "int8" else None
        network = model.folded(spec.colour) if quantized is None else quantized.network
        self._macs = network.macs(spec.height, spec.width)
        exported = to_onnx(quantized or network, spec.height, spec.width, half=precision == "fp16", cast_last=True)
        graph = exported.SerializeToString(deterministic=True)
        machine = {"tensorrt": VERSION, "gpu": astuple(self._gpu)[1:], "cuda": driver().cuda}
        about = About(
            spec.model, f"{spec.width}x{spec.height}", precision, self._gpu.name, library=f"TensorRT {VERSION}"
        )
        cache, timing = EngineCache(), key_of(machine)

        def build() -> bytes:
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

        return cache.get(key_of({**machine, "precision": precision}, graph), about, load_plan, build)


class _Frame:
    """What one picture in flight takes: a stream, a context and memory on both sides.

    Upload, network and download are captured as one CUDA graph, if that can be, so that a picture costs one call.
    """

    def __init__(self, loaded: Loaded, spec: EngineSpec, resources: ExitStack) -> None:
        self._stream = resources.enter_context(Stream())
        self._context = loaded.new_context()
        self._inputs = [resources.enter_context(Mirrored(shape, spec.input_dtype)) for shape in spec.input_shapes]
        self._output = resources.enter_context(Mirrored(spec.output_shape, spec.input_dtype))
        names = ("rgb",) if spec.colour is None else ("luma", "chroma")
        for name, memory in zip((*names, "subpixels"), (*self._inputs, self._output), strict=True):
            self._bind(name, memory)
        self._enqueue()  # TensorRT wants to have run once before it is captured
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

    def _bind(self, name: str, memory: Mirrored) -> None:
        required(f"knows no '{name}'", lambda: self._context.set_tensor_address(name, memory.device) or None)

    def _enqueue(self) -> None:
        for memory in self._inputs:
            memory.upload(self._stream)
        required("can't run the engine", lambda: self._context.execute_async_v3(self._stream.handle) or None)
        self._output.download(self._stream)


def _settled(spec: EngineSpec, model: zoo.Model) -> Exact:
    if spec.precision == "auto":
        return "fp16" if model.calibration is None else "int8"
    return spec.precision
