"""A luma network whose weights depend on how compressed its source is.

Quality is expressed as the QP at which H.264 would lose as much; 0: uncompressed. At some qualities, the knots, there
is a complete set of weights; between them, weights are interpolated linearly. A source of any quality is thus upscaled
by a plain network of the same cost.
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
    """Module of one luma network per knot.

    Args:
        arch: architecture of each network.
        knots: qualities, increasing.
        fixed: number of sets, from the first, that are not trained.
        shared: the sets share all parameters except the biases of the head.
        beyond: see `LumaNet`.
    """

    qualities: Tensor

    @classmethod
    def load(cls, path: Path) -> "QualityNet":
        """Load the float weights of a run with quality.

        Raises:
            OptionError: the file can't be read, or holds no such weights.
        """
        if not path.exists():
            raise OptionError(
                f"{path} does not exist: train it first, or name the float weights of another run with quality."
            )
        try:
            tensors = load_file(path)
            head, tail = tensors["sets.0.head.weight"], tensors["sets.0.tail.weight"]
            convs = sum(name.startswith("sets.0.body.") for name in tensors) // 2
            net = cls(LumaShape(len(head), convs, stride=math.isqrt(len(tail)) // SCALE), tensors["qualities"].tolist())
            net.load_state_dict(tensors)
        except (OSError, SafetensorError, KeyError, RuntimeError) as err:
            raise OptionError(
                f"{path} holds no weights that follow quality: use the float weights of a run with quality."
            ) from err
        return net

    def __init__(
        self,
        arch: LumaShape,
        knots: Sequence[float],
        *,
        fixed: int = 0,
        shared: bool = False,
        beyond: float | None = None,
    ) -> None:
        super().__init__()
        self.arch = arch
        self.sets = nn.ModuleList(LumaNet(arch, beyond) for _ in knots)
        for part in self.plain()[:fixed]:
            part.requires_grad_(requires_grad=False)
        for part in self.plain()[1:] if shared else ():
            _share(self.plain()[0], part)
        self.register_buffer("qualities", torch.tensor(knots, dtype=torch.float32))
        self.structure: Structure = self.plain()[0].structure

    def plain(self) -> list[LumaNet]:
        """Return the networks at the knots."""
        return [part for part in self.sets if isinstance(part, LumaNet)]

    def at(self, quality: float) -> "NetAt":
        """Return the network for sources of that quality; beyond the last knot, that of the last."""
        knots, parts = self.qualities.tolist(), self.plain()
        above = next((k for k, knot in enumerate(knots) if quality < knot), len(knots))
        if above in (0, len(knots)):
            part = parts[min(above, len(knots) - 1)]
            return NetAt(part, dict(part.named_parameters()))
        share = (quality - knots[above - 1]) / (knots[above] - knots[above - 1])
        low, high = (dict(part.named_parameters()) for part in parts[above - 1 : above + 1])
        return NetAt(parts[above], {name: torch.lerp(low[name], high[name], share) for name in low})

    def convs(self) -> dict[str, TensorConv]:
        """Return the folded network for uncompressed sources."""
        return self.at(0.0).convs()

    def learned_freely(self) -> list[nn.Parameter]:
        """Return the kernels that are trained, all by Muon."""
        return [p for p in self.parameters() if p.ndim == 4 and p.requires_grad]

    def view(self, rgb: Tensor) -> Tensor:
        """Convert RGB (N, 3, H, W), 0..255, to full-range luma (N, 1, H, W); luma is returned as it is."""
        return _view(rgb)

    def luma(self, picture: Tensor) -> Tensor:
        """Return the full-range luma (N, 1, H, W) of the output: the output itself."""
        return picture


def _share(first: LumaNet, other: LumaNet) -> None:
    """Make the other network share all parameters of the first except the biases of the head."""
    other.head.weight, other.body, other.tail = first.head.weight, first.body, first.tail


class NetAt:
    """A `QualityNet` at one quality; a `sr4k.models.execute.Trainable`."""

    def __init__(self, net: LumaNet, weights: dict[str, Tensor]) -> None:
        self.structure = net.structure
        self._net, self.weights = net, weights

    def convs(self) -> dict[str, TensorConv]:
        """Return the folded network, as tensors that gradients flow through to the neighbouring knots."""
        return self._net.convs_of(self.weights)

    def view(self, rgb: Tensor) -> Tensor:
        """Convert as `QualityNet.view` does."""
        return _view(rgb)

    def luma(self, picture: Tensor) -> Tensor:
        """Return the output, as `QualityNet.luma` does."""
        return picture


def _view(picture: Tensor) -> Tensor:
    return luma_of(picture) if picture.shape[1] == 3 else picture
