"""A folded network: its convolutions by name, and its structure, written once for all uses.

A structure is a function over `Ops`: with tensors it computes, with names of values it exports, with fake quantisation
it trains for int8.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from sr4k.models.architecture import Architecture
from sr4k.models.colour import Colour
from sr4k.models.geometry import CELL

Array = NDArray[np.floating]
T = TypeVar("T")


class Ops(Protocol[T]):
    """Operations that a structure is composed of, on values of one type."""

    def conv(self, name: str, x: T) -> T:
        """Apply the convolution ``name``."""

    def quantise(self, name: str, x: T) -> T:
        """Return ``x`` as the int8 convolution ``name`` reads it; in float, ``x`` itself."""

    def add(self, a: T, b: T) -> T:
        """Return ``a + b``."""

    def relu(self, x: T, basis: str) -> T:
        """Return max(x, 0) for channels in ``basis``."""

    def within(self, x: T, picture: T, beyond: float) -> T:
        """Return sub-pixels ``x`` kept within the range of ``picture`` around them, and ``beyond`` on either side.

        The range is that of a square of samples around each cell (`sr4k.models.geometry.AROUND`).
        """


Structure = Callable[[Ops[Any], tuple[Any, ...]], tuple[Any, ...]]
"""Function of `Ops` and input planes that returns the outputs; their channels together are a cell's sub-pixels."""


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution: kernel (out, in / groups, height, width), bias (out,), zero padding (top, left, bottom, right).

    ``quantised``: can run in int8. ``codes``: can run in int8 and reads the picture's 8-bit code values, which int8
    represents exactly after subtracting 128.

    ``per_cell``: output positions per cell: 1, or 4 where features are of pixels.

    ``reads`` and ``writes`` name the basis of its input and output channels where that is free: dividing each channel
    by a positive gain where it is written and multiplying by it where it is read leaves the network unchanged.
    """

    kernel: Array = field(repr=False)
    bias: Array = field(repr=False)
    stride: int = 1
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    per_cell: int = 1
    quantised: bool = False
    codes: bool = False
    reads: str | None = None
    writes: str | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates per cell."""
        return self.kernel.size * self.per_cell


@dataclass(frozen=True, slots=True)
class FoldedNetwork:
    """A network in the form that engines run.

    Inputs are padded as `sr4k.models.geometry` defines. For YUV, interpreted by ``colour``: luma (1, H + 21, W + 21)
    and chroma (2, H/2 + 12, W/2 + 12), or 4:4:4 (2, H + 21, W + 21), to 16 Y, 4 U and 4 V sub-pixels per cell,
    row by row; for RGB, with ``colour`` ``None``: (3, H + 21, W + 21) to 16 R, 16 G and 16 B.

    ``beyond``: how far its luma, or each colour, may go beyond the range of the picture around it, in code values;
    ``None``: as far as it will. ``rectified``: bases of ReLU outputs whose zero padding never affects the picture. In
    int8 their 0 is stored as -128, which uses all eight bits and makes the saturation of QuantizeLinear the ReLU.
    """

    arch: Architecture
    structure: Structure = field(repr=False)
    convs: Mapping[str, Conv]
    colour: Colour | None
    beyond: float | None = None
    rectified: frozenset[str] = frozenset()

    @property
    def yuv(self) -> bool:
        """Whether the network works on YUV planes, not RGB."""
        return self.colour is not None

    @property
    def quantised(self) -> tuple[str, ...]:
        """Names of the convolutions that can run in int8."""
        return tuple(name for name, conv in self.convs.items() if conv.quantised)

    @property
    def outputs(self) -> int:
        """Output values per cell."""
        return 24 if self.yuv else 48

    def macs(self, height: int, width: int) -> int:
        """Return the multiply-accumulates for a picture of ``height`` x ``width`` pixels, without its margin."""
        return sum(conv.macs for conv in self.convs.values()) * (height * width // CELL**2)
