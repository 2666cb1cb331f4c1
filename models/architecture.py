"""The shapes of the networks: receptive fields, parameters and multiply-accumulates, counted without building them.

Two families. *RCAN*: Zhang et al., "Image Super-Resolution Using Very Deep Residual Channel Attention Networks", arXiv
1807.02758, in the paper's form and in the SR4K form (no channel attention, a stride-2 head, so that the body works on
2x2-pixel *cells*). *Luma*, designed here: a plain chain of convolutions on the cells or pixels of the luma plane.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from sr4k.models.geometry import CELL, CELL_OUT, SCALE

Pixels = Literal["yuv", "bgr"]
"""Input and output of a network: Y, U and V planes with the colour conversion folded in, or RGB."""

Precision = Literal["auto", "int8", "bf16", "fp16", "fp32"]
"""Number format of the convolutions; ``auto`` selects the fastest that the hardware supports well."""

RGB_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean R, G and B of DIV2K, as fractions of 255, which RCAN subtracts from its input and adds to its output."""


class Figures(ABC):
    """What has to be known of a network before it runs: of our own, and of those that users bring.

    ``scale`` is the factor from input to output size.
    """

    scale: int

    @property
    @abstractmethod
    def receptive_field(self) -> int | None:
        """Radius of the receptive field, in input pixels; ``None``: the whole picture."""

    @abstractmethod
    def macs(self, height: int, width: int) -> int:
        """Return the multiply-accumulates for ``height`` x ``width`` input pixels; of our own, not folded."""


class Architecture(Figures):
    """Hyper-parameters of a network of our own, and the figures that follow from them."""

    @abstractmethod
    def kernels(self) -> dict[str, tuple[int, int, int, int]]:
        """Return the kernel shapes (out, in, height, width) of the trained form by name. Each layer has biases."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the trained form's tensors, by name."""
        found: dict[str, tuple[int, ...]] = {}
        for name, kernel in self.kernels().items():
            found |= {f"{name}.weight": kernel, f"{name}.bias": kernel[:1]}
        return found

    def parameters(self) -> int:
        """Return the number of parameters of the trained form."""
        return sum(map(math.prod, self.shapes().values()))


@dataclass(frozen=True, slots=True)
class RcanShape(Architecture):
    """Hyper-parameters of one network of the RCAN family.

    Layers, C = ``features``: 3x3 head (3 to C), ``groups`` x [``blocks`` x (3x3, ReLU, 3x3, attention, add), 3x3, add],
    3x3, long add, upsampler(s) of 3x3 (C to r r C) and PixelShuffle(r), 3x3 (C to 3).

    Attributes:
        reduction: factor by which the channel attention reduces the features; ``None``: no channel attention.
        stride: stride of the head. With 2, as in the SR4K form, a single upsampler shuffles by 4.
        scale: factor from input to output size.
        mean_shift: ``True``, the official form: RGB 0..255, and 1x1 convolutions (3 to 3) that subtract the mean colour
            and add it back. ``False``, BasicSR's form: RGB 0..1, and sums and products without parameters.
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
        """Factors of the upsamplers, in order; their product is ``stride * scale``."""
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

    Layers, C = ``features``: 3x3 head (1 to C), ReLU, ``convs`` x (3x3 C to C, ReLU), 3x3 tail, PixelShuffle; the sum
    of the result and a bicubic x2 of luma is the output. Chroma is enlarged by a bicubic alone.

    Attributes:
        stride: stride of the head. 2: each position is a cell, and the tail has 16 outputs, shuffled by 4. 1: each
            position is a pixel, and the tail has 4, shuffled by 2. At equal cost, 1 is more accurate and 2 faster.
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
        return self.stride * (self.convs + 1) + self.stride  # + stride: pixels on both sides of a cell see it

    def kernels(self) -> dict[str, tuple[int, int, int, int]]:
        c = self.features
        body = {f"body.{k}": (c, c, 3, 3) for k in range(self.convs)}
        return {"head": (c, 1, 3, 3), **body, "tail": (self.shuffle**2, c, 3, 3)}

    def macs(self, height: int, width: int) -> int:
        """Return the multiply-accumulates; the bicubic has 36 taps per luma and 25 per chroma output."""
        positions, cells = (height * width // side**2 for side in (self.stride, CELL))
        bicubic = 36 * CELL_OUT**2 + 25 * CELL_OUT**2 // 2
        return positions * sum(map(math.prod, self.kernels().values())) + cells * bicubic
