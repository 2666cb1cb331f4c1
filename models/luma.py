"""The luma networks in PyTorch, in the form that is trained."""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from sr4k.models.architecture import LumaShape
from sr4k.models.colour import LUMA
from sr4k.models.execute import TensorConv, as_tensors, upscale
from sr4k.models.fold import SAME3
from sr4k.models.fold_luma import MIDDLE, PEAK, SHIFTS, TAIL_OF_CELLS, bicubic_luma, head_pads, structure
from sr4k.models.geometry import CELL


class LumaNet(nn.Module):
    """Module from luma (N, 1, H, W), full range 0..255, H and W even, to luma (N, 1, 2H, 2W), not clipped.

    ``beyond``: how far it may go beyond the range of the input nearby, in the input's units; ``None``: without bounds.
    """

    def __init__(self, arch: LumaShape, beyond: float | None = None) -> None:
        super().__init__()
        c = arch.features
        self.arch = arch
        self.structure = structure(arch, beyond)
        self.head = nn.Conv2d(1, c, 3)
        self.body = nn.ModuleList(nn.Conv2d(c, c, 3) for _ in range(arch.convs))
        self.tail = nn.Conv2d(c, arch.shuffle**2, 3)
        self._bicubic = as_tensors(bicubic_luma(channels=1), torch.float32)
        self._initialise()

    def forward(self, luma: Tensor) -> Tensor:
        return upscale(self, luma)

    def convs(self) -> dict[str, TensorConv]:
        """Return the folded network on full-range luma, as tensors that gradients flow through."""
        return self.convs_of(dict(self.named_parameters()))

    def convs_of(self, weights: Mapping[str, Tensor]) -> dict[str, TensorConv]:
        """Return `convs` with other weights, given by the names of the parameters."""

        def conv(name: str) -> tuple[Tensor, Tensor]:
            return weights[f"{name}.weight"], weights[f"{name}.bias"]

        kernel, bias = conv("head")
        bias = bias - MIDDLE * kernel.sum((1, 2, 3))
        convs = {"head": TensorConv(kernel / PEAK, bias, self.arch.stride, head_pads(self.arch))}
        for k in range(self.arch.convs):
            convs[f"body.{k}"] = TensorConv(*conv(f"body.{k}"), pads=SAME3)
        kernel, bias = conv("tail")
        if self.arch.stride < CELL:
            shifts = torch.from_numpy(SHIFTS).to(kernel)
            kernel = torch.einsum(TAIL_OF_CELLS, shifts, shifts, kernel.view(2, 2, -1, 3, 3))
            kernel, bias = kernel.reshape(16, -1, 4, 4), bias.view(1, 2, 1, 2).expand(2, 2, 2, 2).reshape(16)
        convs["tail"] = TensorConv(kernel * PEAK, bias * PEAK, CELL // self.arch.stride, SAME3)
        bicubic = self._bicubic
        convs["bicubic.luma"] = replace(bicubic, kernel=bicubic.kernel.to(kernel), bias=bicubic.bias.to(kernel))
        return convs

    def learned_freely(self) -> list[nn.Parameter]:
        """Return the kernels that may change a lot in one step, which Muon trains: all of them."""
        return [p for p in self.parameters() if p.ndim == 4]

    def view(self, rgb: Tensor) -> Tensor:
        """Convert RGB (N, 3, H, W), 0..255, to the network's input: full-range luma of BT.601 (N, 1, H, W)."""
        return luma_of(rgb)

    def luma(self, picture: Tensor) -> Tensor:
        """Return the full-range luma (N, 1, H, W) of the network's output: the output itself."""
        return picture

    @torch.no_grad()
    def _initialise(self) -> None:
        """Start near a bicubic: a small tail, and a body close to the identity."""
        c = self.arch.features
        nn.init.normal_(self.head.weight, std=math.sqrt(2 / 9))
        nn.init.normal_(self.tail.weight, std=0.1 * math.sqrt(2 / (9 * c)))
        for conv in self.body:
            kernel, bias = _parameters(conv)
            nn.init.normal_(kernel, std=0.5 * math.sqrt(2 / (9 * c)))
            kernel[:, :, 1, 1] += torch.eye(c)
            bias.zero_()
        for conv in (self.head, self.tail):
            _parameters(conv)[1].zero_()


def luma_of(rgb: Tensor) -> Tensor:
    """Convert RGB (N, 3, H, W), 0..255, to full-range luma (N, 1, H, W) of BT.601, 0..255."""
    shares = torch.tensor(LUMA["bt601"], device=rgb.device, dtype=rgb.dtype)
    return (rgb * shares[:, None, None]).sum(1, keepdim=True)


def _parameters(conv: nn.Module) -> tuple[Tensor, Tensor]:
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None
    return conv.weight, conv.bias
