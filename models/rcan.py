"""The RCAN family in PyTorch, in the published forms: the reference for every other form."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr4k.models.architecture import RGB_MEAN, RcanShape
from sr4k.models.execute import TensorConv
from sr4k.models.fold import SAME3, SAME5, body_convs, structure
from sr4k.models.geometry import CELL, CELL_OUT
from sr4k.models.luma import luma_of
from sr4k.models.resize import bicubic_taps

_PIXELS = 3 * CELL**2
"""RGB values of a cell of the input."""


def _conv3(c_in: int, c_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1)


class MeanShift(nn.Conv2d):
    """Fixed 1x1 convolution that subtracts (``sign=-1``) or adds (``sign=1``) the mean colour."""

    def __init__(self, sign: int) -> None:
        super().__init__(3, 3, 1)
        with torch.no_grad():
            self.weight.copy_(torch.eye(3).view(3, 3, 1, 1))
            assert self.bias is not None
            self.bias.copy_(sign * 255 * torch.tensor(RGB_MEAN))
        self.requires_grad_(False)


class RangeShift(nn.Module):
    """BasicSR's mean shift, without parameters: from 0..1 to 0..255 minus the mean colour (``sign=-1``), or back."""

    def __init__(self, sign: int) -> None:
        super().__init__()
        self.sign = sign

    def forward(self, rgb: Tensor) -> Tensor:
        mean = torch.tensor(RGB_MEAN, device=rgb.device, dtype=rgb.dtype).view(3, 1, 1)
        return (rgb - mean) * 255 if self.sign < 0 else rgb / 255 + mean


class ChannelAttention(nn.Module):
    """Channel attention: two 1x1 convolutions and a sigmoid compute each channel's scale from all channels' means."""

    def __init__(self, features: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(features, features // reduction, 1)
        self.excite = nn.Conv2d(features // reduction, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.excite(F.relu(self.squeeze(means))))


class ResidualBlock(nn.Module):
    """RCAB: convolution, ReLU, convolution and optional channel attention, plus the input."""

    def __init__(self, features: int, reduction: int | None) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv3(features, features), nn.ReLU(inplace=True), _conv3(features, features)]
        if reduction is not None:
            layers.append(ChannelAttention(features, reduction))
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x) + x
        return out


class ResidualGroup(nn.Module):
    """Residual blocks and a convolution, plus the input."""

    def __init__(self, arch: RcanShape) -> None:
        super().__init__()
        c = arch.features
        self.body = nn.Sequential(*(ResidualBlock(c, arch.reduction) for _ in range(arch.blocks)), _conv3(c, c))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x) + x
        return out


class Rcan(nn.Module):
    """Module from RGB (N, 3, H, W) to RGB (N, 3, scale H, scale W), not clipped; H and W are multiples of the stride.

    Values are 0..255 in the official form, 0..1 in BasicSR's.
    """

    def __init__(self, arch: RcanShape) -> None:
        super().__init__()
        c = arch.features
        self.arch = arch
        self.sub_mean = MeanShift(-1) if arch.mean_shift else RangeShift(-1)
        self.add_mean = MeanShift(1) if arch.mean_shift else RangeShift(1)
        self.head = _conv3(3, c, stride=arch.stride)
        self.body = nn.Sequential(*(ResidualGroup(arch) for _ in range(arch.groups)), _conv3(c, c))
        self.up = nn.ModuleList(_conv3(c, r * r * c) for r in arch.shuffles)
        self.last = _conv3(c, 3)

    def features(self, rgb: Tensor) -> Tensor:
        """Compute everything before the tail: (N, 3, H, W) to (N, C, H / stride, W / stride)."""
        x = self.head(self.sub_mean(rgb))
        out: Tensor = self.body(x) + x
        return out

    def forward(self, rgb: Tensor) -> Tensor:
        x = self.features(rgb)
        for r, up in zip(self.arch.shuffles, self.up, strict=True):
            x = F.pixel_shuffle(up(x), r)
        out: Tensor = self.add_mean(self.last(x))
        return out


class TrainableRcan(Rcan):
    """The SR4K form with the published parameters, computed folded, as deployed: 0.65 times the cost."""

    def __init__(self, arch: RcanShape) -> None:
        super().__init__(arch)
        self.structure = structure(arch)
        initialise_bicubic(self)

    def convs(self) -> dict[str, TensorConv]:
        """Return the folded network on RGB, as tensors that gradients flow through."""
        head, shift = self.head, self.sub_mean
        assert isinstance(shift, MeanShift) and shift.bias is not None and head.bias is not None
        bias = head.bias + torch.einsum("ocyx,c->o", head.weight, shift.bias)
        convs = {"head.0": TensorConv(head.weight, bias, stride=CELL)}
        for name, _, _ in body_convs(self.arch):
            conv = self.get_submodule(name)
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            convs[name] = TensorConv(conv.weight, conv.bias, pads=SAME3)
        convs["tail"] = TensorConv(*self._collapsed_tail(), pads=SAME5)
        convs["skip.0"] = _skip(convs["head.0"], convs["tail"])
        return convs

    def learned_freely(self) -> list[nn.Parameter]:
        """Return the kernels that may change a lot in one step, which Muon trains: those of the body."""
        return [p for p in self.body.parameters() if p.ndim == 4]

    def view(self, rgb: Tensor) -> Tensor:
        """Return the network's input: RGB itself."""
        return rgb

    def luma(self, picture: Tensor) -> Tensor:
        """Return the full-range luma (N, 1, H, W) of the network's output, RGB 0..255."""
        return luma_of(picture)

    def _collapsed_tail(self) -> tuple[Tensor, Tensor]:
        """Return kernel (48, C, 5, 5) and bias (48,) of the tail, read off its response to one impulse per channel."""
        c, (up,), shift = self.arch.features, self.up, self.add_mean
        assert isinstance(up, nn.Conv2d) and up.bias is not None and isinstance(shift, MeanShift)
        impulses = torch.zeros(c, c, 5, 5, device=up.weight.device, dtype=up.weight.dtype)
        impulses[range(c), range(c), 2, 2] = 1.0
        spread = F.pixel_shuffle(F.conv2d(impulses, up.weight, padding=1), CELL_OUT)
        response = F.pixel_unshuffle(F.conv2d(spread, self.last.weight, padding=1), CELL_OUT)
        kernel = response.flip(2, 3).transpose(0, 1)
        flat = F.pixel_shuffle(up.bias.view(1, -1, 1, 1).expand(1, -1, 3, 3), CELL_OUT)
        constant = shift(F.conv2d(flat, self.last.weight, self.last.bias, padding=1))
        return kernel.contiguous(), F.pixel_unshuffle(constant, CELL_OUT)[0, :, 1, 1]


def _skip(head: TensorConv, tail: TensorConv) -> TensorConv:
    """Return the skip of `sr4k.models.fold` on RGB, as tensors that gradients flow through."""
    spread = tail.kernel.new_zeros(tail.kernel.shape[0], head.kernel.shape[1], 11, 11)
    for y in range(5):
        for x in range(5):
            tap = torch.einsum("oc,cihw->oihw", tail.kernel[:, :, y, x], head.kernel)
            spread = spread + F.pad(tap, (CELL * x, 8 - CELL * x, CELL * y, 8 - CELL * y))
    bias = tail.kernel.sum((2, 3)) @ head.bias
    return TensorConv(spread, bias, stride=CELL, pads=(2 * CELL,) * 4)


@torch.no_grad()
def initialise_bicubic(net: Rcan) -> None:
    """Initialise a network as an exact bicubic x2 (a = -0.5) that can learn detail from the first step on.

    The long skip computes the bicubic: the head copies the 12 values of a cell into 12 features, the tail holds the
    taps, and the body's last convolution starts at zero. With 28 features or more, 16 of them represent the output
    pixels of the cell, at zero until the body learns detail; the tail adds them to all three colours. Without them,
    detail would have to pass the smooth bicubic taps. Needs at least 12 features and a stride of 2.
    """
    (up,) = net.up
    assert isinstance(up, nn.Conv2d) and up.bias is not None
    assert net.head.bias is not None and net.last.bias is not None
    last_of_body = net.body[-1]
    assert isinstance(last_of_body, nn.Conv2d) and last_of_body.bias is not None
    last_of_body.weight.zero_()
    last_of_body.bias.zero_()
    pixels, details = slice(0, _PIXELS), slice(_PIXELS, _PIXELS + CELL_OUT**2)
    has_details = net.arch.features >= details.stop
    zero_in_head = slice(0, details.stop if has_details else pixels.stop)
    net.head.weight[zero_in_head].zero_()
    net.head.bias[zero_in_head].zero_()
    for colour in range(3):
        for i in range(CELL):
            for j in range(CELL):
                net.head.weight[colour * 4 + i * 2 + j, colour, 1 + i, 1 + j] = 1.0
    up.weight[:].mul_(0.1)
    up.bias.zero_()
    of_a_row = bicubic_taps(np.arange(CELL_OUT) / 2 - 0.25, first=-2, count=6)
    taps = torch.from_numpy(of_a_row).reshape(CELL_OUT, 3, CELL)  # output pixel, neighbouring cell, pixel of the cell
    for colour in range(3):
        rows = slice(colour * CELL_OUT**2, (colour + 1) * CELL_OUT**2)
        up.weight[rows].zero_()
        for i in range(CELL):
            for j in range(CELL):
                kernel = torch.einsum("ay,bx->abyx", taps[:, :, i], taps[:, :, j])
                up.weight[rows, colour * 4 + i * 2 + j] = kernel.reshape(CELL_OUT**2, 3, 3).to(up.weight)
        if has_details:
            up.weight[rows, details, 1, 1] = torch.eye(CELL_OUT**2).to(up.weight)
    net.last.weight.mul_(0.1)
    net.last.weight[:, :3].zero_()
    net.last.weight[range(3), range(3), 1, 1] = 1.0
    net.last.bias.zero_()
