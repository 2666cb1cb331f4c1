"""Pictures on their way to an NVIDIA GPU and back, while its network computes others.

Copies have a stream of their own: on the default one, kernels and copies would take turns.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sr4k.engines.cuda import cuda_device
from sr4k.engines.host_memory import RegisteredMemory
from sr4k.engines.on_gpu import gpu_errors
from sr4k.pipeline import Buffers, Format, Frame, PlaneSpec, Transform

_AHEAD = 3
"""Number of pictures in host memory on their way to the GPU: one is written while others are being copied."""

_BEHIND = 2
"""Number of frames that are being copied to host memory while the next one is computed."""


@dataclass(slots=True)
class _Slot:
    """Planes of a picture in host memory, and the event of the end of their last copy."""

    planes: list[Tensor]
    arrived: torch.cuda.Event | None = None


class Upload:
    """Planes in pinned memory, which a decoder on the CPU writes to and the GPU reads without the CPU.

    Args:
        form: of the planes.
        device: that they are copied to; the CPU under Triton's interpreter.
    """

    def __init__(self, form: Sequence[PlaneSpec], device: torch.device) -> None:
        self._device, self._copies = device, _stream(device)
        make = _pageable if self._copies is None else _pinned
        self._slots = deque(_Slot([make(spec) for spec in form]) for _ in range(_AHEAD))

    def planes(self) -> list[Any]:
        """Return arrays to write the next picture to, after waiting until their last copy has ended."""
        slot = self._slots[0]
        if slot.arrived is not None:
            slot.arrived.synchronize()
        return [plane.numpy() for plane in slot.planes]

    def copied(self) -> tuple[Tensor, ...]:
        """Enqueue a copy of what was written to `planes`, and return the planes on the device.

        Work that is enqueued on the current stream from now on comes after the copy.
        """
        slot = self._slots[0]
        self._slots.rotate(-1)
        if self._copies is None:
            return tuple(plane.clone() for plane in slot.planes)
        with torch.cuda.stream(self._copies):
            there = tuple(plane.to(self._device, non_blocking=True) for plane in slot.planes)
            slot.arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            slot.arrived.record(self._copies)
        network = torch.cuda.current_stream()
        network.wait_event(slot.arrived)
        for plane in there:
            plane.record_stream(network)  # else a later copy could take its memory while the network reads it
        return there


class _Copy(NamedTuple):
    """A frame that is copied to ``out`` by way of ``host``, which may be its memory, until ``arrived``."""

    frame: Frame
    out: Frame
    host: Tensor
    arrived: torch.cuda.Event | None


class Download(Transform):
    """Copies frames from the GPU to host memory, for encoders there, while the next are computed.

    Copies go straight to the ring that the encoder's process reads, which is registered with CUDA; where it isn't,
    through pinned memory.
    """

    name = "download"

    def open(self, source: Format) -> Format:
        self._form = source.planes[0]
        self._waiting: deque[_Copy] = deque()
        self._ring, self._pinned = RegisteredMemory(), deque[Tensor]()
        with gpu_errors():
            self._copies = _stream(cuda_device())
        return source

    def close(self) -> None:
        self._ring.close()

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        if len(self._waiting) == _BEHIND:
            yield self._finished()
        out = buffers.take(frame.info)
        with gpu_errors():
            host = self._host(out)
            self._waiting.append(_Copy(frame, out, host, self._copy(frame.planes[0], host)))  # type: ignore[arg-type]

    def drain(self, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002 - they have been taken
        while self._waiting:
            yield self._finished()

    def _host(self, out: Frame) -> Tensor:
        """Return the frame's own memory if copies to it take no CPU, else pinned memory."""
        if self._copies is None or (out.slot is not None and self._ring.holds(out.planes[0])):
            return torch.from_numpy(out.planes[0])
        return self._pinned.pop() if self._pinned else _pinned(self._form)

    def _copy(self, block: Tensor, host: Tensor) -> torch.cuda.Event | None:
        """Enqueue a copy after the work on the frame; return the event of its end. Keep both arguments until then."""
        if self._copies is None:
            host.copy_(block)
            return None
        self._copies.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._copies):
            host.copy_(block, non_blocking=True)
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record(self._copies)
        return arrived

    def _finished(self) -> Frame:
        frame, out, host, arrived = self._waiting.popleft()
        if arrived is not None:
            with gpu_errors():
                arrived.synchronize()
        if host.data_ptr() != out.planes[0].ctypes.data:
            np.copyto(out.planes[0], host.numpy())
            self._pinned.append(host)
        frame.release()
        return out


def _stream(device: torch.device) -> torch.cuda.Stream | None:
    """Return a stream for copies, ``None`` under Triton's interpreter."""
    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


def _pageable(form: PlaneSpec) -> Tensor:
    return torch.from_numpy(np.empty(form.shape, form.dtype))


def _pinned(form: PlaneSpec) -> Tensor:
    """Return memory that the GPU copies to and from without the CPU."""
    return _pageable(form).pin_memory()
