"""Equivariant networks: their output rotates and mirrors with their input.

Group-equivariant convolutions (Cohen & Welling, arXiv 1602.07576) of the eight symmetries of the square: features come
in groups of eight, one for each symmetry, and a kernel between two groups is one kernel in eight orientations. Such a
network learns from one window what another learns from eight, and is deployed as ordinary convolutions, at the same
cost. Kernels and gradients are projected onto that form; a Muon step (odd powers of the gradient) preserves it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sr4k.models.luma import LumaNet

ORDER = 8
"""Number of symmetries of the square."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A symmetry of the square: mirror, then rotate by quarter turns."""

    quarters: int
    mirrored: bool

    def of(self, x: Tensor) -> Tensor:
        """Apply the symmetry to (..., H, W)."""
        return torch.rot90(x.flip(-1) if self.mirrored else x, self.quarters, (-2, -1))

    def back(self, x: Tensor) -> Tensor:
        """Apply the inverse of `of` to (..., H, W)."""
        unturned = torch.rot90(x, -self.quarters, (-2, -1))
        return unturned.flip(-1) if self.mirrored else unturned


TURNS = [Turn(quarters, mirrored) for quarters in range(4) for mirrored in (False, True)]


@dataclass(frozen=True, slots=True)
class _Tied:
    """A parameter, and for each symmetry the indices that its elements come from (8, elements)."""

    value: Tensor
    sources: Tensor

    def projected(self, x: Tensor) -> Tensor:
        """Return the mean of ``x``, of the parameter's shape, over all symmetries."""
        return x.flatten()[self.sources].mean(0).view(x.shape)


class Symmetry:
    """Projection of a network's parameters and gradients onto the equivariant form.

    Args:
        net: one that has such a form, as those in `sr4k.models.catalogue.EQUIVARIANT` have.
    """

    def __init__(self, net: nn.Module) -> None:
        assert isinstance(net, LumaNet) and net.arch.stride == 1 and net.arch.features % ORDER == 0
        luma = [torch.zeros(1, dtype=torch.long)] * ORDER
        features = _features(net.arch.features // ORDER)
        layers = [(net.head, luma, features), *((conv, features, features) for conv in net.body)]
        self._tied = list(_tied([*layers, (net.tail, features, _sub_pixels())]))

    @torch.no_grad()
    def project(self) -> None:
        """Project the parameters onto the equivariant form."""
        for tied in self._tied:
            tied.value.copy_(tied.projected(tied.value))

    @torch.no_grad()
    def project_gradients(self) -> None:
        """Project the gradients onto the equivariant form."""
        for tied in self._tied:
            if tied.value.grad is not None:
                tied.value.grad.copy_(tied.projected(tied.value.grad))


def _tied(layers: Iterable[tuple[nn.Module, list[Tensor], list[Tensor]]]) -> Iterator[_Tied]:
    """Yield the tied parameters of convolutions, given the order of input and output channels under each symmetry."""
    for conv, inputs, outputs in layers:
        assert isinstance(conv, nn.Conv2d) and conv.bias is not None
        kernel = torch.arange(conv.weight.numel()).view(conv.weight.shape)
        turned = [turn.of(kernel[o][:, i]) for turn, o, i in zip(TURNS, outputs, inputs, strict=True)]
        yield _Tied(conv.weight, torch.stack([k.flatten() for k in turned]))
        yield _Tied(conv.bias, torch.stack(outputs))


def _sub_pixels() -> list[Tensor]:
    """Return the order of a pixel's four sub-pixels, as a PixelShuffle numbers them, under each symmetry."""
    square = torch.arange(4).view(2, 2)
    return [turn.of(square).flatten() for turn in TURNS]


def _features(groups: int) -> list[Tensor]:
    """Return the order of features in groups of eight under each symmetry: r moves the feature of h to that of r h."""
    square = torch.arange(9).view(3, 3)
    number = {_key(turn.of(square)): k for k, turn in enumerate(TURNS)}
    orders = []
    for r in TURNS:
        order = torch.empty(ORDER, dtype=torch.long)
        for h, turn in enumerate(TURNS):
            order[number[_key(r.of(turn.of(square)))]] = h
        orders.append(torch.cat([order + ORDER * group for group in range(groups)]))
    return orders


def _key(square: Tensor) -> tuple[int, ...]:
    return tuple(square.flatten().tolist())
