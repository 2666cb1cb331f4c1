"""Fine-tuning for int8: the folded graph as it is deployed, with every rounding in it, trained straight through.

Gradients pass a rounding as if it were not there and stop where values clip (Bengio et al., arXiv 1308.3432; Jacob et
al., arXiv 1712.05877). Activation scales stay as calibrated.
"""

from dataclasses import replace

import torch
from torch import Tensor

from sr4k.models.execute import TensorConv, TorchOps, Trainable
from sr4k.models.graph import FoldedNetwork
from sr4k.models.quantize import LEVELS, OFFSET, Calibration


class RoundedOps(TorchOps):
    """`sr4k.models.graph.Ops` in float on int8 grids.

    Args:
        net: whose convolutions are rounded; gradients reach its parameters.
        folded: any folded form of it, which says what is int8.
        steps: of each int8 convolution, the size of a step of its input's channels (C,).
    """

    def __init__(self, net: Trainable, folded: FoldedNetwork, steps: dict[str, Tensor]) -> None:
        convs = net.convs()
        for name in folded.quantised:
            convs[name] = _rounded(convs[name], steps[name])
        super().__init__(convs)
        self._steps = steps
        self._rectified = {name for name in folded.quantised if folded.convs[name].reads in folded.rectified}

    def quantise(self, name: str, x: Tensor) -> Tensor:
        levels = (0, LEVELS + OFFSET) if name in self._rectified else (-LEVELS, LEVELS)
        return _on_grid(x, self._steps[name][:, None, None], *levels)


def input_steps(folded: FoldedNetwork, calibration: Calibration) -> dict[str, Tensor]:
    """What `RoundedOps` needs of a calibration."""
    steps = {}
    for name in folded.quantised:
        basis = folded.convs[name].reads
        assert basis is not None
        steps[name] = torch.from_numpy(calibration.steps(name, basis)).float()
    return steps


def _rounded(conv: TensorConv, steps: Tensor) -> TensorConv:
    """Its kernel on the grid that it has in the basis where each channel of the input has a step of one."""
    scaled = conv.kernel * steps[:, None, None]
    peaks = scaled.detach().abs().amax((1, 2, 3), keepdim=True)
    grid = torch.where(peaks > 0, peaks, 1.0) / LEVELS
    return replace(conv, kernel=_on_grid(scaled, grid) / steps[:, None, None])


def _on_grid(x: Tensor, step: Tensor, least: int = -LEVELS, most: int = LEVELS) -> Tensor:
    clipped = torch.clamp(x / step, least, most)
    rounded: Tensor = (clipped + (clipped.round() - clipped).detach()) * step
    return rounded
