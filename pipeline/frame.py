"""Frames, and the formats that producers and consumers agree on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]

_ALIGN = 64
"""Planes start on cache lines."""


@dataclass(frozen=True, slots=True)
class PlaneSpec:
    """Shape and dtype of one plane."""

    shape: tuple[int, ...]
    dtype: str = "uint8"

    @property
    def nbytes(self) -> int:
        """Bytes of the plane, C-contiguous."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Format:
    """What every frame on a channel has in common.

    Attributes:
        planes: in memory order.
        about: facts for the stages that follow, picklable. The runtime only passes them on and does not know their
            type; for video it is `sr4k.media.video.VideoInfo`, which `sr4k.media.video.info_of` returns.
    """

    planes: tuple[PlaneSpec, ...]
    about: object = None

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each plane starts, in bytes from the start of the frame."""
        starts, position = [], 0
        for plane in self.planes:
            starts.append(position)
            position = -(-(position + plane.nbytes) // _ALIGN) * _ALIGN
        return tuple(starts)

    @property
    def nbytes(self) -> int:
        """Bytes of a frame."""
        return self.offsets[-1] + self.planes[-1].nbytes

    def view(self, memory: memoryview) -> tuple[Plane, ...]:
        """The planes of a frame that lies in ``memory``."""
        return tuple(
            np.frombuffer(memory, plane.dtype, count=int(np.prod(plane.shape)), offset=offset).reshape(plane.shape)
            for plane, offset in zip(self.planes, self.offsets, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameInfo:
    """What belongs to one frame beside its pixels. It passes through the graph untouched.

    Attributes:
        pts, duration: in units of ``time_base`` seconds.
        born: when the source had the frame, on `time.monotonic`, which is one clock for all processes.
        plain: the network is skipped, and the frame is enlarged by bicubic interpolation: there is no time for more.
        lost: frames of the source that were lost so far.
    """

    pts: int
    time_base: Fraction
    duration: int = 0
    born: float = 0.0
    plain: bool = False
    lost: int = 0


@dataclass(slots=True)
class Frame:
    """Planes and what belongs to them. Whoever holds a frame either passes it on or releases it, once."""

    planes: tuple[Plane, ...] = field(repr=False)
    info: FrameInfo
    slot: int | None = None  # where in a ring the planes lie, if they do
    on_release: Callable[[], None] | None = field(default=None, repr=False)

    def release(self) -> None:
        """Give the memory back: the planes must not be read any more."""
        self.planes = ()
        if self.on_release is not None:
            self.on_release()
            self.on_release = None
