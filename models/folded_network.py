"""A folded network: its convolutions by name, and its structure written once, for whoever walks it.

A structure is a function over `Ops`: running it with tensors computes, with node names exports, with fake quantisation
trains for int8.
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
    """What a structure is made of."""

    def conv(self, name: str, x: T) -> T:
        """The convolution of that name."""

    def quantise(self, name: str, x: T) -> T:
        """``x`` as the int8 convolution of that name sees it; in float just ``x``."""

    def add(self, a: T, b: T) -> T:
        """The sum."""

    def relu(self, x: T, basis: str) -> T:
        """max(x, 0), of channels in that basis."""


Structure = Callable[[Ops[Any], tuple[Any, ...]], tuple[Any, ...]]
"""From the input planes to the outputs, whose channels stand side by side in the sub-pixels of a cell."""


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution: kernel (out, in / groups, height, width), bias (out,), zero padding (top, left, bottom, right).

    ``codes``: quantised, and its input is the picture's own 8-bit code values, which int8 holds exactly less 128.

    ``per_cell``: positions of its output in a cell: 1, or 4 where features are of pixels.

    ``reads`` and ``writes`` name the basis of its input and output channels, where that is free: with each channel
    divided by a positive gain on the one side and multiplied on the other, the network stays the same.
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
        """Multiply-accumulates of a cell."""
        return self.kernel.size * self.per_cell


@dataclass(frozen=True, slots=True)
class FoldedNetwork:
    """A network as it is run.

    Inputs are padded as `sr4k.models.geometry` says. For YUV, read as ``colour`` says: luma (1, H + 21, W + 21)
    and chroma (2, H/2 + 12, W/2 + 12), or 4:4:4 (2, H + 21, W + 21), to 16 Y, 4 U and 4 V sub-pixels of a cell,
    row by row; for RGB, without a ``colour``: (3, H + 21, W + 21) to 16 R, 16 G and 16 B.

    ``rectified``: bases of what a ReLU gives, where the zeros of padding never reach the picture. In int8 their 0 may
    be -128, so that all eight bits count and the saturation of the rounding is the ReLU.
    """

    arch: Architecture
    structure: Structure = field(repr=False)
    convs: Mapping[str, Conv]
    colour: Colour | None
    rectified: frozenset[str] = frozenset()

    @property
    def yuv(self) -> bool:
        """Whether it works on YUV planes."""
        return self.colour is not None

    @property
    def quantised(self) -> tuple[str, ...]:
        """Names of the convolutions that are int8 where there is int8."""
        return tuple(name for name, conv in self.convs.items() if conv.quantised)

    @property
    def outputs(self) -> int:
        """Values of a cell."""
        return 24 if self.yuv else 48

    def macs(self, height: int, width: int) -> int:
        """Multiply-accumulates of a picture of ``height`` x ``width`` pixels, its margin not counted."""
        return sum(conv.macs for conv in self.convs.values()) * (height * width // CELL**2)
