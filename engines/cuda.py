"""Engine for NVIDIA GPUs of compute capability 8.0 or newer, by own kernels. Needs the extra ``[cuda]``."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from subprocess import CalledProcessError
from typing import Any

import numpy as np

from sr4k.engines.base import Cells, Engine, EngineSpec, Plane, parted
from sr4k.engines.choose import CUDA_CAPABILITY
from sr4k.errors import EngineError

try:
    import torch
    import triton
    from torch import Tensor
    from triton.errors import TritonError

    from sr4k.engines.cuda_network import FusedNetwork
    from sr4k.engines.cuda_output import Layout
    from sr4k.engines.on_gpu import gpu_errors
    from sr4k.engines.one_launch import OneLaunch, best_network
except ImportError as err:
    raise EngineError("The engine 'cuda' needs PyTorch and Triton: pip install 'sr4k-stream[cuda]'.") from err

log = logging.getLogger(__name__)

MOST_BITS = 10
"""Largest bit depth: float16 counts code values up to 2048."""


class CudaEngine(Engine):
    """The fused network on one GPU, three frames in flight: each has a stream of its own for its copies and kernels.

    With Triton's interpreter (``TRITON_INTERPRET=1``) it runs on the CPU, for tests.
    """

    in_flight = 3
    precisions = ("auto", "int8", "fp16")
    most_bits = MOST_BITS
    takes_rgb = False

    def activate_impl(self) -> None:
        spec = self.spec
        with gpu_errors():
            self._network = _fused(spec, "cells")
            self._idle = deque(_Slot(self._network, spec) for _ in range(self.in_flight))
        self._running: deque[_Slot] = deque()

    def deactivate_impl(self) -> None:
        for slot in self._running:
            with suppress(RuntimeError):  # an error of the GPU has been raised already, and shows in all later calls
                slot.wait()
        self._running.clear()
        self._idle.clear()

    def submit_impl(self, planes: Sequence[Plane]) -> None:
        slot = self._idle.popleft()
        slot.start(planes)
        self._running.append(slot)

    def result_impl(self) -> Cells:
        slot = self._running.popleft()
        self._idle.append(slot)
        slot.wait()
        return parted(slot.result)

    def describe(self) -> dict[str, Any]:
        return _described(self.spec, self._network)


class _Slot:
    """Memory and a stream for one frame in flight. On a GPU its copies and kernels are one CUDA graph."""

    def __init__(self, network: FusedNetwork | OneLaunch, spec: EngineSpec) -> None:
        self._network, self._maps = network, network.maps()
        on_gpu = network.device.type == "cuda"
        self._host_in = [torch.zeros(shape, dtype=network.dtype, pin_memory=on_gpu) for shape in spec.input_shapes]
        self._host_out = torch.zeros(network.output_shape, dtype=network.dtype, pin_memory=on_gpu)
        self._planes = [host.to(network.device) for host in self._host_in]
        self._out = self._host_out.to(network.device)
        self.result: Plane = self._host_out.numpy()
        self._stream = torch.cuda.Stream(network.device) if on_gpu else None  # type: ignore[no-untyped-call]
        self._work = self._enqueue if self._stream is None else captured(self._enqueue, self._stream)

    def start(self, planes: Sequence[Plane]) -> None:
        """Copy the planes to pinned memory and start the work."""
        for host, plane in zip(self._host_in, planes, strict=True):
            np.copyto(host.numpy(), plane)
        with torch.cuda.stream(self._stream):  # no change where there is none
            self._work()

    def wait(self) -> None:
        """Block until the result is in host memory."""
        if self._stream is not None:
            self._stream.synchronize()

    def _enqueue(self) -> None:
        for plane, host in zip(self._planes, self._host_in, strict=True):
            plane.copy_(host, non_blocking=True)
        self._network.run(self._planes[0], self._planes[1], self._out, self._maps)
        self._host_out.copy_(self._out, non_blocking=True)


class CudaOnGpu:
    """The fused network on frames that lie on the GPU; the last kernel writes NV12, of 10 bits P010.

    One launch a picture reads and writes the frames where they are. Otherwise the kernels of a frame are one CUDA
    graph, because launching each from Python takes longer than it runs. A graph has fixed addresses, so a frame is
    copied into its inputs and out of its output: some 15 MB within the GPU at 1080p.
    """

    def __init__(self, spec: EngineSpec) -> None:
        self._spec = spec
        network = self._network = _fused(spec, "nv12")
        self._at_once = isinstance(network, OneLaunch)
        if self._at_once:
            self._shape = network.output_shape
            return
        self._maps = network.maps()
        self._luma, self._chroma = (
            torch.zeros(shape, dtype=network.dtype, device=network.device) for shape in spec.input_shapes
        )
        self._out = torch.zeros(network.output_shape, dtype=network.dtype, device=network.device)
        self._work: Callable[[], None] = self._enqueue
        if network.device.type == "cuda":
            stream = torch.cuda.Stream(network.device)  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream(network.device))
            self._work = captured(self._enqueue, stream)

    def run(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Enqueue one frame on the current stream; see `sr4k.engines.on_gpu.GpuNetwork.run`."""
        if self._at_once:
            out = torch.empty(self._shape, dtype=torch.uint8, device=self._network.device)
            self._network.run(luma, chroma, out, ())
            return out
        self._luma.copy_(luma)
        self._chroma.copy_(chroma)
        self._work()
        return self._out.clone()

    def _enqueue(self) -> None:
        self._network.run(self._luma, self._chroma, self._out, self._maps)

    def describe(self) -> dict[str, Any]:
        return _described(self._spec, self._network)


def captured(work: Callable[[], None], stream: torch.cuda.Stream) -> Callable[[], None]:
    """Run ``work`` once on a stream, then capture it as a CUDA graph, and return what replays it on the current stream.

    Where it can't be captured the log says why, and ``work`` itself is returned.

    Raises:
        EngineError: the kernels can't be compiled.
    """
    with torch.cuda.stream(stream), _compilation_errors():
        work()  # compiles the kernels, which is impossible during a capture
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    try:
        # Thread-local, so that other threads may allocate memory meanwhile. The outer context restores the current
        # stream, which PyTorch does not where a capture fails: FFmpeg's frames are ordered on that one alone.
        with (
            torch.cuda.stream(stream),
            torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"),
        ):
            work()
    except RuntimeError as err:
        log.info("Without a CUDA graph: %s", err)
        return work
    return graph.replay


@contextmanager
def _compilation_errors() -> Iterator[None]:
    """Turn errors of Triton's compilers into EngineError: they are no RuntimeError, as those of CUDA are."""
    try:
        yield
    except TritonError as err:
        raise EngineError(f"Triton can't compile the kernels for this GPU: {err}") from err
    except CalledProcessError as err:  # of a C compiler, for what launches the kernels
        raise EngineError(
            "Triton can't compile what launches its kernels: install a C compiler and Python's headers, such as gcc "
            "and python3-dev."
        ) from err


def _fused(spec: EngineSpec, layout: Layout) -> FusedNetwork | OneLaunch:
    """Return the network of a spec; ``auto`` is int8 for pictures of 8 bits where the model has a calibration."""
    model = spec.network()
    shallow = spec.colour is not None and spec.colour.bits == 8
    int8 = spec.precision == "int8" or (spec.precision == "auto" and shallow and model.calibration is not None)
    network = model.quantized(spec.colour) if int8 else model.folded(spec.colour)
    return best_network(network, spec.height, spec.width, cuda_device(), layout)


def _described(spec: EngineSpec, network: FusedNetwork | OneLaunch) -> dict[str, Any]:
    device = network.device
    return {
        "engine": "cuda",
        "version": f"triton {triton.__version__}",
        "device": "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device),
        "model": spec.model,
        "precision": network.precision,
        "threads": 1,
        "macs": network.macs,
    }


def cuda_device() -> torch.device:
    """Return the GPU that this process uses, or the CPU under Triton's interpreter.

    Raises:
        EngineError: PyTorch finds no GPU, or the GPU is too old.
    """
    if triton.knobs.runtime.interpret:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise EngineError("The engine 'cuda' finds no NVIDIA GPU that PyTorch can use: sr4k doctor says more.")
    device = torch.device("cuda", torch.cuda.current_device())
    if torch.cuda.get_device_capability(device) < CUDA_CAPABILITY:
        raise EngineError(
            f"{torch.cuda.get_device_name(device)} is too old for the engine 'cuda', which needs Ampere or newer."
        )
    return device
