"""The shapes of the networks: what there is to count without building them.

Two families. *RCAN*: Zhang et al., "Image Super-Resolution Using Very Deep Residual Channel Attention Networks", arXiv
1807.02758, in the paper's form and in the SR4K form (no channel attention, a stride-2 head, so that the body works on
2x2-pixel *cells*). *Luma*: a plain chain of convolutions on the cells or the pixels of the luma plane, of our own.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from sr4k.models.geometry import CELL, CELL_OUT, SCALE

Pixels = Literal["yuv", "bgr"]
"""What a network works on: Y, U and V planes with the colour folded in, or RGB."""

Precision = Literal["auto", "int8", "fp16", "fp32"]
"""How it computes; ``auto`` takes the best that the hardware runs well."""

RGB_MEAN = (0.4488, 0.4371, 0.4040)
"""DIV2K's mean colour, as a fraction of 255, which RCAN takes out and puts back."""


class Architecture(ABC):
    """What every network can tell of itself."""

    scale: int

    @property
    @abstractmethod
    def receptive_field(self) -> int | None:
        """How far, in input pixels to each side, an output pixel can see; ``None``: the whole picture."""

    @abstractmethod
    def kernels(self) -> dict[str, tuple[int, int, int, int]]:
        """The convolutions of the form that is trained and stored: shapes of kernels by name. Each has biases."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors of that form, by name."""
        found: dict[str, tuple[int, ...]] = {}
        for name, kernel in self.kernels().items():
            found |= {f"{name}.weight": kernel, f"{name}.bias": kernel[:1]}
        return found

    def parameters(self) -> int:
        """Number of parameters of that form."""
        return sum(map(math.prod, self.shapes().values()))

    @abstractmethod
    def macs(self, height: int, width: int) -> int:
        """Multiply-accumulates of that form for one input picture of ``height`` x ``width`` pixels. Not folded."""


@dataclass(frozen=True, slots=True)
class RcanShape(Architecture):
    """Hyper-parameters of one network of the RCAN family.

    Layers, C = ``features``: 3x3 head (3 to C), ``groups`` x [``blocks`` x (3x3, ReLU, 3x3, attention, add), 3x3, add],
    3x3, long add, upsampler(s) of 3x3 (C to r r C) and PixelShuffle(r), 3x3 (C to 3).

    Attributes:
        reduction: of the channel attention; ``None``: there is none.
        stride: of the head. With 2, as in the SR4K form, one upsampler shuffles by 4.
        scale: factor from input to output size.
        mean_shift: the official form has RGB 0..255 and 1x1 convolutions (3 to 3) that take the mean colour out and put
            it back; without them, BasicSR's form has RGB 0..1 and plain sums and products in their place.
    """

    groups: int
    blocks: int
    features: int
    reduction: int | None = None
    stride: int = CELL
    scale: int = SCALE
    mean_shift: bool = True

    @property
    def body_convs(self) -> int:
        """Number of 3x3 C-to-C convolutions between the head and the tail."""
        return self.groups * (2 * self.blocks + 1) + 1

    @property
    def shuffles(self) -> tuple[int, ...]:
        """Factors of the upsamplers, in order: their product is ``stride * scale``."""
        if self.stride == CELL:
            return (CELL_OUT,)
        return (self.scale,) if self.scale % 2 else (2,) * (self.scale.bit_length() - 1)

    @property
    def receptive_field(self) -> int | None:
        if self.reduction is not None:
            return None
        return self.stride * (self.body_convs + 2) + 1

    def kernels(self) -> dict[str, tuple[int, int, int, int]]:
        c = self.features
        found = dict.fromkeys(("sub_mean", "add_mean"), (3, 3, 1, 1)) if self.mean_shift else {}
        found["head"] = (c, 3, 3, 3)
        for group in range(self.groups):
            for block in range(self.blocks):
                layers = f"body.{group}.body.{block}.body"
                found |= dict.fromkeys((f"{layers}.0", f"{layers}.2"), (c, c, 3, 3))
                if self.reduction is not None:
                    squeezed = c // self.reduction
                    found[f"{layers}.3.squeeze"] = (squeezed, c, 1, 1)
                    found[f"{layers}.3.excite"] = (c, squeezed, 1, 1)
            found[f"body.{group}.body.{self.blocks}"] = (c, c, 3, 3)
        found[f"body.{self.groups}"] = (c, c, 3, 3)
        found |= {f"up.{k}": (r * r * c, c, 3, 3) for k, r in enumerate(self.shuffles)}
        return found | {"last": (3, c, 3, 3)}

    def macs(self, height: int, width: int) -> int:
        c, pixels = self.features, height * width
        cells, outputs = pixels // self.stride**2, pixels * self.scale**2
        total = cells * (27 * c + self.body_convs * 9 * c * c) + 27 * c * outputs
        side = 1
        for r in self.shuffles:
            total += 9 * c * r * r * c * cells * side * side
            side *= r
        if self.reduction is not None:
            total += self.groups * self.blocks * (2 * c * (c // self.reduction) + c * cells)
        return total + (9 * (pixels + outputs) if self.mean_shift else 0)


@dataclass(frozen=True, slots=True)
class LumaShape(Architecture):
    """Hyper-parameters of one network on luma.

    Layers, C = ``features``: 3x3 head (1 to C), ReLU, ``convs`` x (3x3 C to C, ReLU), 3x3 tail, PixelShuffle; added to
    a bicubic x2 of the picture. Chroma is bicubic alone.

    Attributes:
        stride: of the head: features of cells, whose tail has 16 outputs to shuffle by 4, or with 1 of pixels, whose
            tail has 4 to shuffle by 2. At equal cost, features of pixels are better and those of cells faster.
    """

    features: int
    convs: int
    stride: int = CELL
    scale: int = SCALE

    @property
    def shuffle(self) -> int:
        """Factor of the PixelShuffle."""
        return self.stride * self.scale

    @property
    def receptive_field(self) -> int | None:
        return self.stride * (self.convs + 1) + self.stride  # a cell's pixels are seen from both sides of it

    def kernels(self) -> dict[str, tuple[int, int, int, int]]:
        c = self.features
        body = {f"body.{k}": (c, c, 3, 3) for k in range(self.convs)}
        return {"head": (c, 1, 3, 3), **body, "tail": (self.shuffle**2, c, 3, 3)}

    def macs(self, height: int, width: int) -> int:
        """The bicubic has 36 taps a luma and 25 a chroma output."""
        positions, cells = (height * width // side**2 for side in (self.stride, CELL))
        bicubic = 36 * CELL_OUT**2 + 25 * CELL_OUT**2 // 2
        return positions * sum(map(math.prod, self.kernels().values())) + cells * bicubic
