"""The network on luma as it is run: on Y, U, V planes of any range, or on RGB.

Its weights are for full-range luma brought to -0.5..0.5. What the planes hold instead is an affine map away, which goes
into the biases and scales of head and tail: the int8 weights are the same integers whatever the colour. Chroma planes
get a bicubic x2 where they sit, RGB a bicubic x2 and the detail of the luma added to each colour. The bicubic (Keys,
a = -0.5) is float, and exact.
"""

from dataclasses import replace
from typing import TypeVar

import numpy as np

from sr4k.models.architecture import LumaShape
from sr4k.models.colour import LUMA, Colour
from sr4k.models.fold import SAME3, Weights
from sr4k.models.folded_network import Array, Conv, FoldedNetwork, Ops, Structure
from sr4k.models.geometry import CELL, CELL_OUT, MARGIN
from sr4k.models.resize import bicubic_taps

T = TypeVar("T")

PEAK, MIDDLE = 255.0, 0.5
"""Luma to what the weights are for: divided by the one, less the other."""

SHIFTS = np.stack([np.eye(4, 3, -pixel) for pixel in range(CELL)])
"""From the 3 taps of a kernel on pixels to the 4 of one on cells, for the first and the second pixel of a cell."""

TAIL_OF_CELLS = "iyu,jxv,abcuv->iajbcyx"
"""The tail on features of pixels, which makes 2x2 sub-pixels of each, as one of stride 2 that makes a cell's 4x4:
``SHIFTS`` twice and its kernel (2, 2, features, 3, 3) to (2, 2, 2, 2, features, 4, 4)."""

_BEFORE, _AFTER = 1, 2
"""How far the bicubic sees beyond the padding: only for cells of the margin, which are cut."""


def fold_yuv(arch: LumaShape, weights: Weights, colour: Colour) -> FoldedNetwork:
    """From Y, U, V planes to Y, U, V sub-pixels."""
    scale = 255 / colour.peak if colour.full_range else 255 / 219 / colour.unit
    convs = _chain(arch, weights, np.array([scale]), colour.black)
    convs["head"] = replace(convs["head"], quantised=True, codes=True)
    convs["bicubic.luma"] = bicubic_luma(channels=1)
    convs["bicubic.chroma"] = _bicubic_chroma(colour)
    return FoldedNetwork(arch, structure(arch, codes=True), convs, colour, rectified=_layers(arch))


def fold_rgb(arch: LumaShape, weights: Weights) -> FoldedNetwork:
    """From RGB to RGB sub-pixels. Luma is that of BT.601, as in training."""
    convs = _chain(arch, weights, np.array(LUMA["bt601"]), 0.0)
    tail = convs["tail"]
    convs["tail"] = replace(tail, kernel=np.tile(tail.kernel, (3, 1, 1, 1)), bias=np.tile(tail.bias, 3))
    convs["bicubic.luma"] = bicubic_luma(channels=3)
    return FoldedNetwork(arch, structure(arch), convs, None, rectified=_layers(arch))


def structure(arch: LumaShape, *, codes: bool = False) -> Structure:
    """A chain of convolutions that adds detail to a bicubic. ``codes``: the picture is 8-bit code values."""

    def run(ops: Ops[T], planes: tuple[T, ...]) -> tuple[T, ...]:
        picture, *chroma = planes
        x = ops.relu(ops.conv("head", ops.quantise("head", picture) if codes else picture), "layer.0")
        for k in range(arch.convs):
            x = ops.relu(ops.conv(f"body.{k}", ops.quantise(f"body.{k}", x)), f"layer.{k + 1}")
        detail = ops.conv("tail", ops.quantise("tail", x))
        y = ops.add(detail, ops.conv("bicubic.luma", picture))
        return (y, *(ops.conv("bicubic.chroma", plane) for plane in chroma))

    return run


def head_pads(arch: LumaShape) -> tuple[int, int, int, int]:
    """Features of pixels get a last row and column, to be those of whole cells."""
    return (0, 0, 1, 1) if arch.stride < CELL else (0, 0, 0, 0)


def _layers(arch: LumaShape) -> frozenset[str]:
    """The bases between the convolutions. What their padding reaches stays within the margin."""
    if arch.stride * (arch.convs + 1) + max(head_pads(arch)) > CELL * MARGIN:
        raise ValueError(f"{arch.convs} convolutions see further than the margin of {MARGIN} cells")
    return frozenset(f"layer.{k}" for k in range(arch.convs + 1))


def _chain(arch: LumaShape, weights: Weights, to_luma: Array, black: float) -> dict[str, Conv]:
    """Head, body, tail. Full-range luma is the sum of ``to_luma`` (channels,) times what planes have over ``black``."""

    def conv(name: str) -> tuple[Array, Array]:
        return weights[f"{name}.weight"].astype(np.float64), weights[f"{name}.bias"].astype(np.float64)

    kernel, bias = conv("head")
    bias = bias - MIDDLE * kernel.sum((1, 2, 3))
    kernel = kernel * to_luma[None, :, None, None] / PEAK
    bias = bias - black * kernel.sum((1, 2, 3))
    per_cell = (CELL // arch.stride) ** 2
    convs = {"head": Conv(kernel, bias, stride=arch.stride, pads=head_pads(arch), per_cell=per_cell, writes="layer.0")}
    for k in range(arch.convs):
        convs[f"body.{k}"] = Conv(
            *conv(f"body.{k}"),
            pads=SAME3,
            per_cell=per_cell,
            quantised=True,
            reads=f"layer.{k}",
            writes=f"layer.{k + 1}",
        )
    unit = PEAK / to_luma.sum()
    kernel, bias = conv("tail")
    if arch.stride < CELL:
        kernel = np.einsum(TAIL_OF_CELLS, SHIFTS, SHIFTS, kernel.reshape(2, 2, -1, 3, 3)).reshape(16, -1, 4, 4)
        bias = np.tile(bias.reshape(1, 2, 1, 2), (2, 1, 2, 1)).reshape(16)
    stride, last = CELL // arch.stride, f"layer.{arch.convs}"
    convs["tail"] = Conv(kernel * unit, bias * unit, stride=stride, pads=SAME3, quantised=True, reads=last)
    return convs


def bicubic_luma(channels: int) -> Conv:
    taps = bicubic_taps(np.arange(CELL_OUT) / 2 - 0.25, first=-2, count=6)
    kernel = np.einsum("ay,bx->abyx", taps, taps).reshape(-1, 1, 6, 6)
    pads = (_BEFORE, _BEFORE, _AFTER, _AFTER)
    kernel = np.tile(kernel, (channels, 1, 1, 1))
    return Conv(kernel, np.zeros(len(kernel)), stride=CELL, pads=pads, groups=channels)


def _bicubic_chroma(colour: Colour) -> Conv:
    """Samples of both sizes sit where the colour says in their own 2x2 pixels, and the pixels' areas coincide.

    Along an axis, samples of a 4:4:4 picture are where the result's are, or a quarter of a pixel after them.
    """
    whole = colour.sampling == "444"
    beside, on = ([0.0, 1.0], [-0.25, 0.75]) if whole else ([-0.25, 0.25], [-0.125, 0.375])
    count = 6 if whole else 5
    rows = bicubic_taps(np.array(on if colour.chroma_location == "topleft" else beside), first=-2, count=count)
    columns = bicubic_taps(np.array(beside if colour.chroma_location == "center" else on), first=-2, count=count)
    kernel = np.tile(np.einsum("ay,bx->abyx", rows, columns).reshape(4, 1, count, count), (2, 1, 1, 1))
    if whole:
        return Conv(kernel, np.zeros(8), stride=CELL, pads=(_BEFORE, _BEFORE, _AFTER, _AFTER), groups=2)
    return Conv(kernel, np.zeros(8), pads=SAME3, groups=2)
