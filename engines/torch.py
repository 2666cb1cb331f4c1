"""Engine by PyTorch in float32 on the CPU: slow, the reference for the others. Needs the extra ``[torch]``.

Networks that users bring as checkpoints run on an NVIDIA GPU if there is one; see `sr4k.engines.foreign_torch`.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sr4k.engines.base import Cells, Engine, EngineSpec, Plane, parted
from sr4k.engines.cpu import granted_cpus
from sr4k.errors import EngineError

try:
    import torch

    from sr4k.models.execute import FoldedExecutor
except ImportError as err:
    raise EngineError("The engine 'torch' needs PyTorch: pip install 'sr4k-stream[torch]'.") from err

if TYPE_CHECKING:
    from sr4k.engines.foreign_torch import ForeignNetwork


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
    """The folded network in float32, or one that the user brought; one frame at a time."""

    takes_foreign = True
    precisions = ("auto", "fp32")
    _process: int | None = None  # which used PyTorch first

    def __init__(self, spec: EngineSpec) -> None:
        super().__init__(spec)
        self._threads = spec.threads or granted_cpus()
        self._foreign: ForeignNetwork | None = None

    def activate_impl(self) -> None:
        if TorchEngine._process not in (None, os.getpid()):
            raise EngineError(
                "PyTorch was used before this process was forked, and would wait for threads that it doesn't have: use "
                "the engine openvino, or the start method spawn of multiprocessing."
            )
        TorchEngine._process = os.getpid()
        self._results: deque[Plane] = deque()
        self._device, self._precision = "cpu", "fp32"
        if (foreign := self.spec.foreign) is not None:
            from sr4k.engines.foreign_torch import ForeignNetwork  # resselt, which other networks do without

            self._foreign = ForeignNetwork(self.spec, foreign)
            self._device, self._precision = str(self._foreign.device), self._foreign.precision
            self._macs = foreign.card.macs(self.spec.height, self.spec.width)
            return
        network = self.spec.network().folded(self.spec.colour)
        self._macs = network.macs(self.spec.height, self.spec.width)
        self._run = FoldedExecutor(network)

    def submit_impl(self, planes: Sequence[Plane]) -> None:
        if self._foreign is not None:
            with _threads(self._threads):
                self._results.append(self._foreign(planes))
            return
        tensors = (torch.from_numpy(plane.reshape(1, *([1] * (3 - plane.ndim)), *plane.shape)) for plane in planes)
        with _threads(self._threads):
            out = self._run(*tensors)[0].permute(1, 2, 0)
        if self.spec.output_dtype != "float32":
            kind = torch.uint8 if self.spec.output_dtype == "uint8" else torch.uint16
            peak = 255 if self.spec.colour is None else self.spec.colour.peak
            out = out.round().clamp(0, peak).to(kind)
        self._results.append(out.contiguous().numpy())

    def result_impl(self) -> Cells:
        made = self._results.popleft()
        return parted(made) if self._foreign is None else (made,)

    def describe(self) -> dict[str, Any]:
        spec = self.spec
        return {
            "engine": "torch",
            "version": torch.__version__,
            "device": self._device,
            "model": spec.model,
            "precision": self._precision,
            "threads": self._threads,
            "macs": self._macs,
        }
