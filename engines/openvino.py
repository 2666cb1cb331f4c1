"""Engine for any CPU, and for Intel's GPUs and NPUs, by OpenVINO: int8 where they are fast at it, else float."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from sr4k.common.printable import one_line
from sr4k.engines.base import Cells, Engine, EngineSpec, Plane
from sr4k.engines.openvino_devices import device_for
from sr4k.engines.openvino_library import ov, shared_core
from sr4k.engines.openvino_models import CPU, compiled, give, plan, property_of, result_of, streams_of, threads_of
from sr4k.errors import EngineError


class OpenVinoEngine(Engine):
    """One compiled model with one more request than streams: a result is read while all streams run."""

    has_devices = True
    takes_foreign = True
    foreign_precisions = ("auto", "int8", "bf16", "fp16", "fp32")

    def __init__(self, spec: EngineSpec) -> None:
        super().__init__(spec)
        self.in_flight = streams_of(spec) + 1

    def activate_impl(self) -> None:
        core = shared_core()
        device = device_for(core, self.spec)
        made = plan(core, device, self.spec)
        try:
            model = compiled(core, device, made)
        except RuntimeError as err:
            if device == CPU:
                raise
            reason = one_line(str(err), 300)
            raise EngineError(f"OpenVINO's {self.spec.device} does not take this network: {reason}") from err
        self._precision, self._macs = made.precision, made.macs
        self._threads = threads_of(self.spec) if device == CPU else 1
        self._device = str(property_of(core, device, "FULL_DEVICE_NAME") or device)
        self._model = model  # see `sr4k.engines.openvino_fork`
        self._cells, self._ranged, self._planes = made.cells, made.ranged, made.planes
        self._idle = deque(model.create_infer_request() for _ in range(self.in_flight))
        self._running: deque[ov.InferRequest] = deque()

    def deactivate_impl(self) -> None:
        for request in self._running:
            request.wait()
        self._running.clear()
        self._idle.clear()
        del self._model

    def submit_impl(self, planes: Sequence[Plane]) -> None:
        request = self._idle.popleft()
        give(request, planes, cells=self._cells, ranged=self._ranged)
        request.start_async()
        self._running.append(request)

    def result_impl(self) -> Cells:
        request = self._running.popleft()
        request.wait()
        self._idle.append(request)
        return result_of(request, planes=self._planes)

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
