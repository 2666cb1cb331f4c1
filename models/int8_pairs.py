"""int8 weights for CPUs that add products in pairs of 16 bits before they add the pairs in 32.

Without instructions for dot products, x86 multiplies unsigned by signed bytes and adds the products of two neighbouring
channels with saturation to 16 bits (``vpmaddubsw`` in the Intel 64 and IA-32 Architectures Software Developer's
Manual, volume 2). Activations are bytes, 0..255, so a pair is exact if its weights of one sign sum up to `MOST` at
most. Few pairs of a network's weights don't: channels are ordered so that large weights of one sign have small
neighbours, an exact change of basis, and output channels that still have such a pair get a larger step.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sr4k.models.cell_input import on_cells
from sr4k.models.folded_network import Array, Conv, FoldedNetwork
from sr4k.models.geometry import CELL

MOST = 128
"""Largest sum of a pair's weights of one sign: 255 times as much is below 2**15."""

_LARGEST = 127
"""Largest int8 weight before a step grows, as in `sr4k.models.quantize`."""

_WIDER = 1.004
"""Factor by which a step grows at a time, until all pairs of its output channel fit."""


def ordered_for_pairs(network: FoldedNetwork, means: Mapping[str, Array]) -> tuple[FoldedNetwork, dict[str, Array]]:
    """Return the same function with the channels of each basis in an order in which few pairs are too large.

    Args:
        network: in the basis in which it is rounded.
        means: by convolution, the means of its input channels (in,), returned in the order of the channels.
    """
    costs: dict[str, Array] = {}
    for conv in network.convs.values():
        if conv.quantised and conv.reads is not None:
            costs[conv.reads] = costs.get(conv.reads, 0.0) + _excess(conv.kernel)
    orders = {basis: _paired(cost) for basis, cost in costs.items()}

    def convert(conv: Conv) -> Conv:
        kernel, bias = conv.kernel, conv.bias
        if conv.reads in orders:
            kernel = kernel[:, orders[conv.reads]]
        if conv.writes in orders:
            kernel, bias = kernel[orders[conv.writes]], bias[orders[conv.writes]]
        return replace(conv, kernel=kernel, bias=bias)

    convs = {name: convert(conv) for name, conv in network.convs.items()}
    return replace(network, convs=convs), {
        name: mean[orders[reads]] if (reads := convs[name].reads) in orders else mean for name, mean in means.items()
    }


def wide_enough(conv: Conv, steps: Array, rounded: Callable[[Array, Array], Array]) -> Array:
    """Return steps (out,), as given or larger, with which all pairs of the rounded kernel fit.

    Args:
        conv: whose kernel is rounded.
        steps: of its weights, by output channel.
        rounded: function that rounds a kernel to multiples of steps.
    """
    while True:
        kernel = rounded(conv.kernel, steps)
        whole = np.rint(kernel / steps[:, None, None, None])
        if conv.kernel.shape[1] == 1 and conv.stride == CELL:
            whole = on_cells(replace(conv, kernel=whole)).kernel  # as the CPU reads luma
        too_large = _sums(whole[:, :-1:2], whole[:, 1::2]).max((1, 2, 3), initial=0) > MOST
        if not too_large.any():
            return steps
        steps = np.where(too_large, steps * _WIDER, steps)


def _sums(one: Array, other: Array) -> Array:
    """Return the sum of the positive weights, or that of the negative ones without sign: the larger of both."""
    above, below = (np.maximum(sign * one, 0) + np.maximum(sign * other, 0) for sign in (1, -1))
    return np.asarray(np.maximum(above, below))


def _excess(kernel: Array) -> Array:
    """Return what each two channels cost as a pair, (in, in): the sum of squares of what is beyond `MOST`."""
    peaks = np.maximum(np.abs(kernel).max((1, 2, 3), keepdims=True), np.finfo(np.float64).tiny)
    weights = (kernel * (_LARGEST / peaks)).transpose(1, 0, 2, 3).reshape(kernel.shape[1], -1).astype(np.float32)
    sums = _sums(weights[:, None], weights[None])
    return np.asarray(np.square(np.maximum(sums - MOST, 0)).sum(2, dtype=np.float64))


def _paired(cost: Array) -> NDArray[np.intp]:
    """Return an order of an even number of channels in which no exchange of two makes the pairs cost less."""
    order = list(range(len(cost)))
    better = True
    while better:
        better = False
        for i in range(len(order)):
            for j in range(i + 1, len(order)):
                one, other, with_one, with_other = order[i], order[j], order[i ^ 1], order[j ^ 1]
                before = cost[one, with_one] + cost[other, with_other]
                if other != with_one and cost[other, with_one] + cost[one, with_other] < before:
                    order[i], order[j], better = other, one, True
    return np.array(order)
