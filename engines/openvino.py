"""Engine for any CPU, by OpenVINO: int8 where the CPU has the instructions for it, else float32."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from sr4k.engines.base import Engine, EngineSpec, Plane
from sr4k.engines.cpu import granted_cpus, has_fast_int8
from sr4k.engines.openvino_library import ov
from sr4k.models import zoo
from sr4k.models.export import to_onnx

_STREAMS = 2
"""Frames computed in parallel, each by half of the threads, so that fewer threads wait for each other at every layer.
With ``prompt`` one frame is computed by all threads."""


class OpenVinoEngine(Engine):
    """One compiled model with one more request than streams: a result is read while all streams run."""

    def __init__(self, spec: EngineSpec) -> None:
        super().__init__(spec)
        self._threads = spec.threads or granted_cpus()
        self._streams = 1 if spec.prompt else min(_STREAMS, self._threads)
        self.in_flight = self._streams + 1

    def activate_impl(self) -> None:
        spec, model = self.spec, zoo.load(self.spec.model, self.spec.weights)
        deep = spec.colour is not None and spec.colour.bits > 8
        fast = spec.precision == "auto" and has_fast_int8() and model.calibration is not None and not deep
        self._precision = "int8" if spec.precision == "int8" or fast else "fp32"
        quantized = model.quantized(spec.colour) if self._precision == "int8" else None
        network = model.folded(spec.colour) if quantized is None else quantized.network
        self._macs = network.macs(spec.height, spec.width)
        graph = to_onnx(quantized or network, spec.height, spec.width).SerializeToString()
        core = ov.Core()
        compiled = core.compile_model(
            core.read_model(graph),
            "CPU",
            {
                "INFERENCE_NUM_THREADS": self._threads,
                "NUM_STREAMS": self._streams,
                "INFERENCE_PRECISION_HINT": "f32",
                "ENABLE_CPU_PINNING": False,  # decoder and encoder share the cores
            },
        )
        self._device = core.get_property("CPU", "FULL_DEVICE_NAME")
        self._idle = deque(compiled.create_infer_request() for _ in range(self.in_flight))
        self._running: deque[ov.InferRequest] = deque()

    def deactivate_impl(self) -> None:
        for request in self._running:
            request.wait()
        self._running.clear()
        self._idle.clear()

    def submit_impl(self, planes: Sequence[Plane]) -> None:
        request = self._idle.popleft()
        for index, plane in enumerate(planes):
            batch = plane.reshape(1, *([1] * (3 - plane.ndim)), *plane.shape)
            request.set_input_tensor(index, ov.Tensor(batch, shared_memory=True))
        request.start_async()
        self._running.append(request)

    def result_impl(self) -> Plane:
        request = self._running.popleft()
        request.wait()
        self._idle.append(request)
        out: Plane = request.get_output_tensor(0).data[0]
        return out

    def describe(self) -> dict[str, Any]:
        spec = self.spec
        return {
            "engine": "openvino",
            "version": ov.get_version(),
            "device": self._device,
            "model": spec.model,
            "precision": self._precision,
            "threads": self._threads,
            "macs": self._macs,
        }
