"""The RCAN family in PyTorch, in the published form. The reference that every other form is held against."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr4k.models.architecture import CELL, CELL_OUT, RGB_MEAN, Architecture


def _conv3(c_in: int, c_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1)


class MeanShift(nn.Conv2d):
    """Subtract (``sign=-1``) or add (``sign=1``) the mean colour, as a fixed 1x1 convolution."""

    def __init__(self, sign: int) -> None:
        super().__init__(3, 3, 1)
        with torch.no_grad():
            self.weight.copy_(torch.eye(3).view(3, 3, 1, 1))
            assert self.bias is not None
            self.bias.copy_(sign * 255 * torch.tensor(RGB_MEAN))
        self.requires_grad_(False)


class ResidualBlock(nn.Module):
    """RCAB without channel attention: conv, ReLU, conv, plus the input."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv3(features, features), nn.ReLU(inplace=True), _conv3(features, features))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x) + x
        return out


class ResidualGroup(nn.Module):
    """Residual blocks and a convolution, plus the input."""

    def __init__(self, blocks: int, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(ResidualBlock(features) for _ in range(blocks)), _conv3(features, features))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x) + x
        return out


class Rcan(nn.Module):
    """RGB (N, 3, H, W), 0..255, H and W even, to RGB (N, 3, 2H, 2W), not clipped."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        c = arch.features
        self.arch = arch
        self.sub_mean = MeanShift(-1)
        self.add_mean = MeanShift(1)
        self.head = _conv3(3, c, stride=CELL)
        self.body = nn.Sequential(*(ResidualGroup(arch.blocks, c) for _ in range(arch.groups)), _conv3(c, c))
        self.up = _conv3(c, CELL_OUT**2 * c)
        self.last = _conv3(c, 3)

    def features(self, rgb: Tensor) -> Tensor:
        """Everything before the tail: (N, 3, H, W) to (N, C, H/2, W/2)."""
        x = self.head(self.sub_mean(rgb))
        out: Tensor = self.body(x) + x
        return out

    def forward(self, rgb: Tensor) -> Tensor:
        x = F.pixel_shuffle(self.up(self.features(rgb)), CELL_OUT)
        out: Tensor = self.add_mean(self.last(x))
        return out

    def forward_collapsed(self, rgb: Tensor) -> Tensor:
        """The same function but for the outermost output pixel, at 0.65 of the cost: the tail as one 5x5 convolution.

        The parameters stay those of the published form, and gradients reach them through the collapsed kernel.
        """
        kernel, bias = self._collapsed_tail()
        x = F.conv2d(self.features(rgb), kernel, bias, padding=2)
        out: Tensor = self.add_mean(F.pixel_shuffle(x, CELL_OUT))
        return out

    def _collapsed_tail(self) -> tuple[Tensor, Tensor]:
        """Kernel (48, C, 5, 5) and bias (48,) of the tail, read off its responses to one impulse a channel."""
        c = self.arch.features
        impulses = torch.zeros(c, c, 5, 5, device=self.up.weight.device, dtype=self.up.weight.dtype)
        impulses[range(c), range(c), 2, 2] = 1.0
        up = F.pixel_shuffle(F.conv2d(impulses, self.up.weight, padding=1), CELL_OUT)
        response = F.pixel_unshuffle(F.conv2d(up, self.last.weight, padding=1), CELL_OUT)
        kernel = response.flip(2, 3).transpose(0, 1)
        assert self.up.bias is not None
        flat = F.pixel_shuffle(self.up.bias.view(1, -1, 1, 1).expand(1, -1, 3, 3), CELL_OUT)
        constant = F.conv2d(flat, self.last.weight, self.last.bias, padding=1)
        return kernel.contiguous(), F.pixel_unshuffle(constant, CELL_OUT)[0, :, 1, 1]


@torch.no_grad()
def initialise_bicubic(net: Rcan) -> None:
    """Make the fresh network an exact bicubic x2 (a = -0.5), so that training starts from there.

    The long skip carries it: the head copies the 12 values of a cell, the tail holds the bicubic taps, and the body's
    last convolution starts at zero. Needs at least 12 features.
    """
    assert net.head.bias is not None and net.up.bias is not None and net.last.bias is not None
    last_of_body = net.body[-1]
    assert isinstance(last_of_body, nn.Conv2d) and last_of_body.bias is not None
    last_of_body.weight.zero_()
    last_of_body.bias.zero_()
    net.head.weight[:12].zero_()
    for colour in range(3):
        for i in range(CELL):
            for j in range(CELL):
                net.head.weight[colour * 4 + i * 2 + j, colour, 1 + i, 1 + j] = 1.0
    net.head.bias[:12].zero_()
    net.up.weight[:].mul_(0.1)
    net.up.bias.zero_()
    taps = _bicubic_cell_taps()
    for colour in range(3):
        rows = slice(colour * CELL_OUT**2, (colour + 1) * CELL_OUT**2)
        net.up.weight[rows].zero_()
        for i in range(CELL):
            for j in range(CELL):
                kernel = torch.einsum("ay,bx->abyx", taps[:, :, i], taps[:, :, j])
                net.up.weight[rows, colour * 4 + i * 2 + j] = kernel.reshape(CELL_OUT**2, 3, 3).to(net.up.weight)
    net.last.weight.mul_(0.1)
    net.last.weight[:, :3].zero_()
    net.last.weight[range(3), range(3), 1, 1] = 1.0
    net.last.bias.zero_()


def _bicubic_cell_taps() -> Tensor:
    """(4 output pixels, 3 neighbouring cells, 2 pixels of a cell): weights of Keys' cubic, a = -0.5, for one axis."""
    taps = torch.zeros(CELL_OUT, 3, CELL, dtype=torch.float64)
    for o in range(CELL_OUT):
        centre = (o + 0.5) / 2 - 0.5
        for cell in range(3):
            for i in range(CELL):
                t = abs((cell - 1) * CELL + i - centre)
                if t <= 1:
                    taps[o, cell, i] = 1.5 * t**3 - 2.5 * t**2 + 1
                elif t < 2:
                    taps[o, cell, i] = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return taps
