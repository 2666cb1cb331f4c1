"""Frames, and the formats that producers and consumers agree on."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[Any]
else:
    Plane = Any  # whoever starts a graph sees no planes, and does without NumPy

_ALIGN = 64
"""Alignment of planes in bytes: one cache line."""


@dataclass(frozen=True, slots=True)
class PlaneSpec:
    """Shape and dtype of one plane."""

    shape: tuple[int, ...]
    dtype: str = "uint8"

    @property
    def nbytes(self) -> int:
        """Size of the C-contiguous plane in bytes."""
        import numpy as np

        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Format:
    """The format that all frames of a channel share.

    Attributes:
        planes: in memory order.
        about: facts for the stages that follow, picklable. The runtime only passes them on and does not know their
            type; for video it is `sr4k.media.video.VideoInfo`, which `sr4k.media.video.info_of` returns.
    """

    planes: tuple[PlaneSpec, ...]
    about: object = None

    @property
    def offsets(self) -> tuple[int, ...]:
        """Offset of each plane from the start of the frame, in bytes."""
        starts, position = [], 0
        for plane in self.planes:
            starts.append(position)
            position = -(-(position + plane.nbytes) // _ALIGN) * _ALIGN
        return tuple(starts)

    @property
    def nbytes(self) -> int:
        """Size of a frame in bytes."""
        return self.offsets[-1] + self.planes[-1].nbytes

    def view(self, memory: memoryview) -> tuple[Plane, ...]:
        """Return the planes of the frame in ``memory``, as arrays that share it."""
        import numpy as np

        return tuple(
            np.frombuffer(memory, plane.dtype, count=math.prod(plane.shape), offset=offset).reshape(plane.shape)
            for plane, offset in zip(self.planes, self.offsets, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameInfo:
    """Header of one frame. Transforms pass it on unchanged.

    Attributes:
        pts, duration: in units of ``time_base`` seconds.
        born: when the source got the frame, by `time.monotonic`, which is one clock for all processes.
        plain: whether to skip the network, for lack of time, and enlarge the frame by bicubic interpolation.
        once: whether to run the network only once, for lack of time, where the size of the result needs it twice.
        light: whether to run a smaller network, for lack of time.
        lost: number of frames of the source that were lost so far.
        read: number of packets of the source that had been read when the frame was ready; 0 if nobody needs it.
        quality: how compressed the source is, as a number that stages may agree on; 0: not at all.
        gray: whether the source's picture can't have colours, so that a picture made of it has none either.
    """

    pts: int
    time_base: Fraction
    duration: int = 0
    born: float = 0.0
    plain: bool = False
    once: bool = False
    light: bool = False
    lost: int = 0
    read: int = 0
    quality: int = 0
    gray: bool = False


@dataclass(slots=True)
class Frame:
    """Planes and their header. Whoever holds a frame either passes it on or releases it, once."""

    planes: tuple[Plane, ...] = field(repr=False)
    info: FrameInfo
    slot: int | None = None  # index in the ring, if the planes lie in one
    on_release: Callable[[], None] | None = field(default=None, repr=False)

    def release(self) -> None:
        """Return the memory to its owner; the planes must not be used afterwards."""
        self.planes = ()
        if self.on_release is not None:
            self.on_release()
            self.on_release = None
