"""Engine by PyTorch in float32 on the CPU: slow, the reference for the others. Needs the extra ``[torch]``."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sr4k.engines.base import Cells, Engine, EngineSpec, Plane, parted
from sr4k.engines.cpu import granted_cpus
from sr4k.errors import EngineError

try:
    import torch

    from sr4k.models.execute import FoldedExecutor
except ImportError as err:
    raise EngineError("The engine 'torch' needs PyTorch: pip install 'sr4k-stream[torch]'.") from err


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Let PyTorch use so many threads for a while; how many it uses otherwise is the program's affair."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class TorchEngine(Engine):
    """The folded network in float32, one frame at a time."""

    precisions = ("auto", "fp32")
    _process: int | None = None  # which used PyTorch first

    def __init__(self, spec: EngineSpec) -> None:
        super().__init__(spec)
        self._threads = spec.threads or granted_cpus()

    def activate_impl(self) -> None:
        if TorchEngine._process not in (None, os.getpid()):
            raise EngineError(
                "PyTorch was used before this process was forked, and would wait for threads that it doesn't have: use "
                "the engine openvino, or the start method spawn of multiprocessing."
            )
        TorchEngine._process = os.getpid()
        network = self.spec.network().folded(self.spec.colour)
        self._macs = network.macs(self.spec.height, self.spec.width)
        self._run = FoldedExecutor(network)
        self._results: deque[Plane] = deque()

    def submit_impl(self, planes: Sequence[Plane]) -> None:
        tensors = (torch.from_numpy(plane.reshape(1, *([1] * (3 - plane.ndim)), *plane.shape)) for plane in planes)
        with _threads(self._threads):
            out = self._run(*tensors)[0].permute(1, 2, 0)
        if self.spec.output_dtype != "float32":
            kind = torch.uint8 if self.spec.output_dtype == "uint8" else torch.uint16
            peak = 255 if self.spec.colour is None else self.spec.colour.peak
            out = out.round().clamp(0, peak).to(kind)
        self._results.append(out.contiguous().numpy())

    def result_impl(self) -> Cells:
        return parted(self._results.popleft())

    def describe(self) -> dict[str, Any]:
        spec = self.spec
        return {
            "engine": "torch",
            "version": torch.__version__,
            "device": "cpu",
            "model": spec.model,
            "precision": "fp32",
            "threads": self._threads,
            "macs": self._macs,
        }
