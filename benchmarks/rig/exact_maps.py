"""Each launch of an int8 network by itself, from exact maps: only ties that float32 rounds otherwise may differ."""

from typing import NamedTuple

import torch
from torch import Tensor

from sr4k.engines.cuda_network import FusedNetwork
from sr4k.models.execute import IntegerExecutor
from sr4k.models.geometry import MARGIN
from sr4k.models.quantize import QuantizedNetwork


class FromExactMaps(NamedTuple):
    """Values of all maps; how many are not the exact ones; how far, in steps, the farthest of these is from a tie."""

    values: int
    apart: int
    farthest_from_a_tie: float


class Recording(IntegerExecutor):
    """Exact integers that keep what each map is rounded from, in its steps: (rows, columns, features)."""

    def __init__(self, network: QuantizedNetwork) -> None:
        super().__init__(network)
        self.unrounded: list[Tensor] = []

    def quantise(self, name: str, x: Tensor) -> Tensor:
        if not self._codes[name]:  # it is a map, and no plane
            self.unrounded.append((x / self._input_scales[name])[0].permute(1, 2, 0))
        return super().quantise(name, x)


def from_exact_maps(network: FusedNetwork, exact: Recording, luma: Tensor, chroma: Tensor) -> FromExactMaps:
    """Run the launches that write maps, each on exact maps, and compare what it writes inside the margin.

    Args:
        network, exact: of one network in int8, on the device of the planes.
        luma, chroma: padded planes of code values, (H + 21, W + 21) and (2, H/2 + 12, W/2 + 12).
    """
    exact(luma[None, None], chroma[None])
    calls, inner = network._calls, slice(MARGIN, -MARGIN)
    maps = [torch.zeros(call.values, dtype=torch.int8, device=luma.device) for call in calls]
    out = torch.zeros(network.output_shape, dtype=network.dtype, device=luma.device)
    values, apart, farthest = 0, 0, 0.0
    for call, written, (kernel, programs, arguments) in zip(
        calls, maps, network.launches(luma, chroma, out, maps), strict=True
    ):
        if not call.to_map:
            continue
        kernel[(programs,)](**arguments)
        unrounded, grid = exact.unrounded.pop(0), call.grid
        stored = written.as_strided(
            (grid.rows, grid.columns, call.outputs), (grid.stride * call.outputs, call.outputs, 1),
            grid.origin * call.outputs,
        )  # fmt: skip
        rounded = unrounded.round().clamp(-128, 127)
        differs = (stored != rounded)[inner, inner]
        from_a_tie = (unrounded - unrounded.floor() - 0.5).abs()[inner, inner][differs]
        values, apart = values + differs.numel(), apart + len(from_a_tie)
        farthest = max(farthest, *from_a_tie.tolist(), 0.0)
        stored.copy_(rounded)  # what the next launches read
    return FromExactMaps(values, apart, farthest)
