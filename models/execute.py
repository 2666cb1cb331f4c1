"""A folded network run in PyTorch: the float reference, the eyes of calibration, and what training for int8 runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sr4k.models.folded_network import Conv, FoldedNetwork, Structure
from sr4k.models.geometry import CELL, CELL_OUT, MARGIN, PAD_AFTER, PAD_BEFORE
from sr4k.models.quantize import OFFSET, QuantizedNetwork

Observer = Callable[[str, Tensor], None]
"""Called with the name of an int8 convolution and its input."""


@dataclass(frozen=True, slots=True)
class TensorConv:
    """`sr4k.models.folded_network.Conv` in tensors."""

    kernel: Tensor
    bias: Tensor
    stride: int = 1
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1


def convolved(x: Tensor, c: TensorConv) -> Tensor:
    """The convolution of (N, C, H, W)."""
    top, left, bottom, right = c.pads
    if top == left == bottom == right:
        return F.conv2d(x, c.kernel, c.bias, stride=c.stride, padding=top, groups=c.groups)
    return F.conv2d(F.pad(x, (left, right, top, bottom)), c.kernel, c.bias, stride=c.stride, groups=c.groups)


class TorchOps:
    """`sr4k.models.folded_network.Ops` on tensors (N, C, H, W), in float."""

    def __init__(self, convs: Mapping[str, TensorConv]) -> None:
        self.convs = convs

    def conv(self, name: str, x: Tensor) -> Tensor:
        return convolved(x, self.convs[name])

    def quantise(self, name: str, x: Tensor) -> Tensor:  # noqa: ARG002
        return x

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def relu(self, x: Tensor, basis: str) -> Tensor:  # noqa: ARG002
        return F.relu(x)


class Bfloat16Ops(TorchOps):
    """The same with what may be int8 in bfloat16; the picture passes in float."""

    def conv(self, name: str, x: Tensor) -> Tensor:
        c = self.convs[name]
        return convolved(x, replace(c, kernel=c.kernel.to(x.dtype), bias=c.bias.to(x.dtype)))

    def quantise(self, name: str, x: Tensor) -> Tensor:  # noqa: ARG002
        return x.to(torch.bfloat16)


class Trainable(Protocol):
    """What training needs of a network."""

    structure: Structure

    def convs(self) -> dict[str, TensorConv]:
        """The folded network for what `view` gives, as tensors that gradients flow through."""

    def view(self, rgb: Tensor) -> Tensor:
        """What the network works on, of RGB (N, 3, H, W), 0..255."""

    def luma(self, picture: Tensor) -> Tensor:
        """Full-range luma (N, 1, H, W), 0..255, of what the network makes."""


def padded(picture: Tensor) -> Tensor:
    """Replicated borders, as `sr4k.models.geometry` says, for (N, channels, H, W); odd sides are made even first."""
    height, width = picture.shape[-2:]
    return F.pad(picture, (PAD_BEFORE, PAD_AFTER + width % 2, PAD_BEFORE, PAD_AFTER + height % 2), mode="replicate")


def upscale(net: Trainable, picture: Tensor, ops: TorchOps | None = None) -> Tensor:
    """The network as it is deployed, on (N, channels, H, W) to (N, channels, 2H, 2W), H and W made even.

    ``ops``: other convolutions than the network's own, such as rounded ones.
    """
    (cells,) = net.structure(ops or TorchOps(net.convs()), (padded(picture),))
    return F.pixel_shuffle(cells[..., MARGIN:-MARGIN, MARGIN:-MARGIN], CELL_OUT)


def upscale_window(net: Trainable, window: Tensor, ops: TorchOps) -> Tensor:
    """The same without a margin, which for a small window is most of the work: the pixels at its border lack what they
    would see beyond.
    """
    (cells,) = net.structure(ops, (F.pad(window, (PAD_BEFORE - CELL * MARGIN, 0) * 2, mode="replicate"),))
    return F.pixel_shuffle(cells, CELL_OUT)


class FoldedExecutor(TorchOps):
    """Runs a `FoldedNetwork`; inputs padded as `sr4k.models.geometry` says."""

    def __init__(
        self, network: FoldedNetwork, *, dtype: torch.dtype = torch.float32, observe: Observer | None = None
    ) -> None:
        super().__init__({name: as_tensors(conv, dtype) for name, conv in network.convs.items()})
        self._structure = network.structure
        self._observe = observe or (lambda _name, _x: None)
        self._dtype = dtype

    def quantise(self, name: str, x: Tensor) -> Tensor:
        self._observe(name, x)
        return x

    @torch.inference_mode()
    def __call__(self, *planes: Tensor) -> Tensor:
        """Luma (1, 1, ...) and chroma (1, 2, ...), or RGB (1, 3, ...), to sub-pixels (1, 24 or 48, cells + margins)."""
        inputs = tuple(plane.to(self._dtype).contiguous(memory_format=torch.channels_last) for plane in planes)
        return torch.cat(self._structure(self, inputs), dim=1)

    def picture(self, *planes: Tensor) -> Tensor:
        """The same without the margin, RGB only: (1, 3, 2H, 2W)."""
        inner = slice(MARGIN, -MARGIN)
        return F.pixel_shuffle(self(*planes)[..., inner, inner], 4)


class IntegerExecutor(FoldedExecutor):
    """Runs a `QuantizedNetwork` exactly: int8 by int8 into wide sums, in float64, which holds them without rounding.

    What every int8 backend is held against. Rounds half to even and saturates at -128 and 127, as ONNX defines.
    """

    def __init__(self, quantized: QuantizedNetwork) -> None:
        super().__init__(quantized.network, dtype=torch.float64)
        self._rectified = quantized.network.rectified
        self._codes = {name: conv.codes for name, conv in quantized.network.convs.items()}
        self._input_scales = quantized.input_scales
        self._weight_scales = {name: torch.from_numpy(scale) for name, scale in quantized.weight_scales.items()}

    def quantise(self, name: str, x: Tensor) -> Tensor:
        if self._codes[name]:
            x = x - OFFSET
        return (x / self._input_scales[name]).round().clamp(-128, 127) * self._input_scales[name]

    def relu(self, x: Tensor, basis: str) -> Tensor:
        return x if basis in self._rectified else F.relu(x)

    def conv(self, name: str, x: Tensor) -> Tensor:
        if name not in self._weight_scales:
            return super().conv(name, x)
        c, steps = self.convs[name], self._weight_scales[name][:, None, None]
        weights = (c.kernel / steps[:, None]).round()
        integers = (x / self._input_scales[name]).round()
        sums = convolved(integers, replace(c, kernel=weights, bias=torch.zeros_like(c.bias)))
        return sums * (steps * self._input_scales[name]) + c.bias[:, None, None]


def as_tensors(conv: Conv, dtype: torch.dtype) -> TensorConv:
    """The convolution in tensors of that type, its kernel channels-last."""
    kernel = torch.from_numpy(np.ascontiguousarray(conv.kernel)).to(dtype)
    bias = torch.from_numpy(np.ascontiguousarray(conv.bias)).to(dtype)
    kernel = kernel.contiguous(memory_format=torch.channels_last)
    return TensorConv(kernel, bias, conv.stride, conv.pads, conv.groups)
