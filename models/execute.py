"""Run folded networks in PyTorch: as float reference, for calibration, for training, and with exact integers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sr4k.models.folded_network import Conv, FoldedNetwork, Structure
from sr4k.models.geometry import AROUND, AROUND_PADS, CELL, CELL_OUT, MARGIN, PAD_AFTER, PAD_BEFORE
from sr4k.models.quantize import OFFSET, QuantizedNetwork

Observer = Callable[[str, Tensor], None]
"""Callback that receives the name of an int8 convolution and its input."""


@dataclass(frozen=True, slots=True)
class TensorConv:
    """A `sr4k.models.folded_network.Conv` as tensors."""

    kernel: Tensor
    bias: Tensor
    stride: int = 1
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1


def convolved(x: Tensor, c: TensorConv) -> Tensor:
    """Apply the convolution to (N, C, H, W)."""
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

    def within(self, x: Tensor, picture: Tensor, beyond: float) -> Tensor:
        least, highest = range_around(picture)
        if picture.shape[1] > 1:
            least, highest = (bound.repeat_interleave(CELL_OUT**2, 1) for bound in (least, highest))
        return torch.minimum(torch.maximum(x, least - beyond), highest + beyond)


def range_around(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Return the least and the highest of the samples around each cell, both (N, channels, rows, columns).

    Args:
        picture: (N, channels, ...), padded as `sr4k.models.geometry` defines, in float.
    """
    around = F.pad(picture, AROUND_PADS * 2, mode="replicate")

    def highest(x: Tensor) -> Tensor:
        rows = F.max_pool2d(x, (AROUND, 1), stride=(CELL, 1))
        return F.max_pool2d(rows, (1, AROUND), stride=(1, CELL))

    return -highest(-around), highest(around)


class Bfloat16Ops(TorchOps):
    """`TorchOps` with those convolutions in bfloat16 that can be int8; those that read the picture stay in float."""

    def conv(self, name: str, x: Tensor) -> Tensor:
        c = self.convs[name]
        return convolved(x, replace(c, kernel=c.kernel.to(x.dtype), bias=c.bias.to(x.dtype)))

    def quantise(self, name: str, x: Tensor) -> Tensor:  # noqa: ARG002
        return x.to(torch.bfloat16)


class Trainable(Protocol):
    """Interface of a network that can be trained."""

    structure: Structure

    def convs(self) -> dict[str, TensorConv]:
        """Return the folded network for the output of `view`, as tensors that gradients flow through."""

    def view(self, rgb: Tensor) -> Tensor:
        """Convert RGB (N, 3, H, W), 0..255, to the network's input."""

    def luma(self, picture: Tensor) -> Tensor:
        """Return the full-range luma (N, 1, H, W), 0..255, of the network's output."""


def padded(picture: Tensor) -> Tensor:
    """Replicate the borders of (N, channels, H, W) as `sr4k.models.geometry` defines; odd sides are made even first."""
    height, width = picture.shape[-2:]
    return F.pad(picture, (PAD_BEFORE, PAD_AFTER + width % 2, PAD_BEFORE, PAD_AFTER + height % 2), mode="replicate")


def upscale(net: Trainable, picture: Tensor, ops: TorchOps | None = None) -> Tensor:
    """Run the network as it is deployed: (N, channels, H, W) to (N, channels, 2H, 2W), with H and W rounded up to even.

    ``ops`` replaces the network's own convolutions, for instance by rounded ones.
    """
    (cells,) = net.structure(ops or TorchOps(net.convs()), (padded(picture),))
    return F.pixel_shuffle(cells[..., MARGIN:-MARGIN, MARGIN:-MARGIN], CELL_OUT)


def upscale_window(net: Trainable, window: Tensor, ops: TorchOps) -> Tensor:
    """Run `upscale` without the margin, which is most of the work for a small window.

    Pixels near the border of the result lack their context and differ from those of `upscale`.
    """
    (cells,) = net.structure(ops, (F.pad(window, (PAD_BEFORE - CELL * MARGIN, 0) * 2, mode="replicate"),))
    return F.pixel_shuffle(cells, CELL_OUT)


class FoldedExecutor(TorchOps):
    """Runs a `FoldedNetwork`; its inputs are padded as `sr4k.models.geometry` defines."""

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
        """Compute the sub-pixels of luma (1, 1, ...) and chroma (1, 2, ...), or of RGB (1, 3, ...), all padded.

        Returns (1, 24 or 48, rows, columns); rows and columns count cells, margin included.
        """
        inputs = tuple(plane.to(self._dtype).contiguous(memory_format=torch.channels_last) for plane in planes)
        return torch.cat(self._structure(self, inputs), dim=1)

    def picture(self, *planes: Tensor) -> Tensor:
        """Return the upscaled picture (1, 3, 2H, 2W) without its margin; for RGB networks only."""
        inner = slice(MARGIN, -MARGIN)
        return F.pixel_shuffle(self(*planes)[..., inner, inner], 4)


class IntegerExecutor(FoldedExecutor):
    """Runs a `QuantizedNetwork` exactly: sums of int8 products in float64, which represents them without rounding.

    The reference for every int8 backend. Rounds half to even and saturates at -128 and 127, as ONNX defines.
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
    """Convert a convolution to tensors of ``dtype``, with its kernel channels-last in memory."""
    kernel = torch.from_numpy(np.ascontiguousarray(conv.kernel)).to(dtype)
    bias = torch.from_numpy(np.ascontiguousarray(conv.bias)).to(dtype)
    kernel = kernel.contiguous(memory_format=torch.channels_last)
    return TensorConv(kernel, bias, conv.stride, conv.pads, conv.groups)
