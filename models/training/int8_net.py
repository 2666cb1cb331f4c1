"""A network as int8 computes it, to be trained: every rounding by straight-through estimation.

Gradients pass a rounding unchanged and stop where values clip (Bengio et al., arXiv 1308.3432; Jacob et
al., arXiv 1712.05877). The step sizes of activations are learned with the weights (Esser et al., arXiv 1902.08153).
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from sr4k.models.execute import TensorConv, TorchOps, Trainable
from sr4k.models.folded_network import Array, FoldedNetwork
from sr4k.models.quantize import LEVELS, OFFSET, Calibration
from sr4k.models.training.start import Plain


class RoundedOps(TorchOps):
    """`sr4k.models.folded_network.Ops` in float, with values rounded to int8 steps.

    Args:
        net: network whose convolutions are rounded; gradients reach its parameters.
        folded: any folded form of it, which defines the convolutions that are int8.
        steps: by int8 convolution, the step size of its input channels (C,).
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


class Int8Net(nn.Module):
    """A network and the step sizes of its activations, to be learned together.

    Args:
        net: the network; its parameters are those of this module.
        folded: any folded form of it, which defines the convolutions that are int8.
        calibration: the step sizes to begin from.
    """

    def __init__(self, net: Plain, folded: FoldedNetwork, calibration: Calibration) -> None:
        super().__init__()
        self.net, self._folded, self.structure = net, folded, net.structure
        self._bases, self._inputs = list(calibration.gains), list(calibration.peaks)
        self._reads = [self._bases.index(folded.convs[name].reads or "") for name in self._inputs]
        self._gains = nn.ParameterList(_logarithm(calibration.gains[basis]) for basis in self._bases)
        self._peaks = nn.ParameterList(_logarithm(calibration.peaks[name]) for name in self._inputs)
        for basis, peak in zip(self._reads, self._peaks, strict=True):  # of one reader, the gains say all
            peak.requires_grad_(self._reads.count(basis) > 1)

    def calibration(self) -> Calibration:
        """Return the step sizes; without means, as biases are learned with the roundings."""
        gains, peaks = ([p.detach().exp().double().numpy() for p in part] for part in (self._gains, self._peaks))
        return Calibration(
            dict(zip(self._bases, gains, strict=True)), dict(zip(self._inputs, map(float, peaks), strict=True))
        )

    def rounded(self) -> "RoundedOps":
        """Return the operations of the int8 form, which gradients flow through."""
        steps = {
            name: (self._gains[basis] + peak).exp() / LEVELS
            for name, basis, peak in zip(self._inputs, self._reads, self._peaks, strict=True)
        }
        return RoundedOps(self.net, self._folded, steps)

    def convs(self) -> dict[str, TensorConv]:
        """Return the folded network in float."""
        return self.net.convs()

    def view(self, rgb: Tensor) -> Tensor:
        """Convert RGB (N, 3, H, W), 0..255, to the network's input."""
        return self.net.view(rgb)

    def luma(self, picture: Tensor) -> Tensor:
        """Return the full-range luma (N, 1, H, W), 0..255, of the network's output."""
        return self.net.luma(picture)

    def learned_freely(self) -> list[nn.Parameter]:
        """Return the kernels that Muon trains: those of the network."""
        return self.net.learned_freely()


def _logarithm(value: Array | float) -> nn.Parameter:
    return nn.Parameter(torch.as_tensor(value, dtype=torch.float32).log())


def _rounded(conv: TensorConv, steps: Tensor) -> TensorConv:
    """Round the kernel as in the basis where each input channel has a step of 1."""
    scaled = conv.kernel * steps[:, None, None]
    peaks = scaled.detach().abs().amax((1, 2, 3), keepdim=True)
    grid = torch.where(peaks > 0, peaks, 1.0) / LEVELS
    return replace(conv, kernel=_on_grid(scaled, grid) / steps[:, None, None])


def _on_grid(x: Tensor, step: Tensor, least: int = -LEVELS, most: int = LEVELS) -> Tensor:
    clipped = torch.clamp(x / step, least, most)
    rounded: Tensor = (clipped + (clipped.round() - clipped).detach()) * step
    return rounded
