"""A network on luma whose weights follow how compressed its source is.

Quality is counted as the QP of H.264 at which as much is lost; 0: nothing. At some qualities, the knots, there is a
whole set of weights; between them, weights are in proportion. So a source of any quality is upscaled by a plain network
of the same cost.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sr4k.errors import OptionError
from sr4k.models.architecture import LumaShape
from sr4k.models.execute import TensorConv
from sr4k.models.folded_network import Structure
from sr4k.models.geometry import SCALE
from sr4k.models.luma import LumaNet, luma_of


class QualityNet(nn.Module):
    """Sets of weights at the knots.

    Args:
        knots: qualities, rising.
        fixed: how many of the first sets stay as they are.
        shared: the sets are one but for the biases of the head.
    """

    qualities: Tensor

    @classmethod
    def load(cls, path: Path) -> "QualityNet":
        """That of a file of weights that training made.

        Raises:
            OptionError: it can't be read, or is none.
        """
        try:
            tensors = load_file(path)
            head, tail = tensors["sets.0.head.weight"], tensors["sets.0.tail.weight"]
            convs = sum(name.startswith("sets.0.body.") for name in tensors) // 2
            net = cls(LumaShape(len(head), convs, stride=math.isqrt(len(tail)) // SCALE), tensors["qualities"].tolist())
            net.load_state_dict(tensors)
        except (OSError, SafetensorError, KeyError, RuntimeError) as err:
            raise OptionError(f"{path} holds no weights that follow quality: it takes a run's float weights.") from err
        return net

    def __init__(self, arch: LumaShape, knots: Sequence[float], *, fixed: int = 0, shared: bool = False) -> None:
        super().__init__()
        self.arch = arch
        self.sets = nn.ModuleList(LumaNet(arch) for _ in knots)
        for part in self.plain()[:fixed]:
            part.requires_grad_(requires_grad=False)
        for part in self.plain()[1:] if shared else ():
            _share(self.plain()[0], part)
        self.register_buffer("qualities", torch.tensor(knots, dtype=torch.float32))
        self.structure: Structure = self.plain()[0].structure

    def plain(self) -> list[LumaNet]:
        """The networks at the knots."""
        return [part for part in self.sets if isinstance(part, LumaNet)]

    def at(self, quality: float) -> "NetAt":
        """The network for sources of that quality; beyond the last knot, that of the last."""
        knots, parts = self.qualities.tolist(), self.plain()
        above = next((k for k, knot in enumerate(knots) if quality < knot), len(knots))
        if above in (0, len(knots)):
            part = parts[min(above, len(knots) - 1)]
            return NetAt(part, dict(part.named_parameters()))
        share = (quality - knots[above - 1]) / (knots[above] - knots[above - 1])
        low, high = (dict(part.named_parameters()) for part in parts[above - 1 : above + 1])
        return NetAt(parts[above], {name: torch.lerp(low[name], high[name], share) for name in low})

    def convs(self) -> dict[str, TensorConv]:
        """Those for sources that nothing was taken from."""
        return self.at(0.0).convs()

    def learned_freely(self) -> list[nn.Parameter]:
        """The kernels that are learned."""
        return [p for p in self.parameters() if p.ndim == 4 and p.requires_grad]

    def view(self, rgb: Tensor) -> Tensor:
        """What it works on, of RGB (N, 3, H, W), 0..255; luma (N, 1, H, W) as it is."""
        return _view(rgb)

    def luma(self, picture: Tensor) -> Tensor:
        """Full-range luma (N, 1, H, W) of what it makes."""
        return picture


def _share(first: LumaNet, other: LumaNet) -> None:
    """Make all parameters of the other those of the first, but for the biases of the head."""
    other.head.weight, other.body, other.tail = first.head.weight, first.body, first.tail


class NetAt:
    """A `QualityNet` at one quality: `sr4k.models.execute.Trainable`."""

    def __init__(self, net: LumaNet, weights: dict[str, Tensor]) -> None:
        self.structure = net.structure
        self._net, self.weights = net, weights

    def convs(self) -> dict[str, TensorConv]:
        """Folded, as tensors that gradients flow through to the knots beside."""
        return self._net.convs_of(self.weights)

    def view(self, rgb: Tensor) -> Tensor:
        """As `QualityNet.view`."""
        return _view(rgb)

    def luma(self, picture: Tensor) -> Tensor:
        """As `QualityNet.luma`."""
        return picture


def _view(picture: Tensor) -> Tensor:
    return luma_of(picture) if picture.shape[1] == 3 else picture
