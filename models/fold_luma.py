"""Fold the luma networks for Y, U, V planes of any range, or for RGB.

The weights are trained on full-range luma scaled to -0.5..0.5. The affine map from the planes' code values is folded
into the biases and scales of head and tail, so the int8 weights are the same integers for every colour format. Chroma
planes are enlarged by a bicubic x2 that keeps their siting; for RGB, the luma detail is added to a bicubic x2 of each
colour. The bicubic (Keys, a = -0.5) stays in float.
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
"""Scaling of full-range luma for the weights: ``luma / PEAK - MIDDLE``, -0.5..0.5."""

SHIFTS = np.stack([np.eye(4, 3, -pixel) for pixel in range(CELL)])
"""Matrices (pixel, 4, 3) that place 3 taps on pixels among the 4 of a kernel on cells, for either pixel of a cell."""

TAIL_OF_CELLS = "iyu,jxv,abcuv->iajbcyx"
"""einsum that turns a tail with 2x2 sub-pixels per pixel into one of stride 2 with 4x4 per cell.

Operands: ``SHIFTS`` twice and the kernel (2, 2, features, 3, 3); result: (2, 2, 2, 2, features, 4, 4).
"""

_BEFORE, _AFTER = 1, 2
"""Reach of the bicubic beyond the padding; it affects only cells of the margin, which are cropped."""


def fold_yuv(arch: LumaShape, weights: Weights, colour: Colour, beyond: float | None = None) -> FoldedNetwork:
    """Fold the network for Y, U, V planes and Y, U, V sub-pixels.

    ``beyond``: how far luma may go beyond its range in the picture nearby, in 8-bit levels; ``None``: without bounds.

    Raises:
        ValueError: the layers see further than the margin.
    """
    scale = 255 / colour.peak if colour.full_range else 255 / 219 / colour.unit
    convs = _chain(arch, weights, np.array([scale]), colour.black)
    convs["head"] = replace(convs["head"], quantised=True, codes=True)
    convs["bicubic.luma"] = bicubic_luma(channels=1)
    convs["bicubic.chroma"] = _bicubic_chroma(colour)
    if beyond is not None:
        beyond *= colour.unit
    return FoldedNetwork(arch, structure(arch, beyond, codes=True), convs, colour, beyond, _layers(arch))


def fold_rgb(arch: LumaShape, weights: Weights, beyond: float | None = None) -> FoldedNetwork:
    """Fold the network for RGB and RGB sub-pixels. Luma is that of BT.601, as in training.

    ``beyond``: as for `fold_yuv`, for each colour.

    Raises:
        ValueError: the layers see further than the margin.
    """
    convs = _chain(arch, weights, np.array(LUMA["bt601"]), 0.0)
    tail = convs["tail"]
    convs["tail"] = replace(tail, kernel=np.tile(tail.kernel, (3, 1, 1, 1)), bias=np.tile(tail.bias, 3))
    convs["bicubic.luma"] = bicubic_luma(channels=3)
    return FoldedNetwork(arch, structure(arch, beyond), convs, None, beyond, _layers(arch))


def structure(arch: LumaShape, beyond: float | None = None, *, codes: bool = False) -> Structure:
    """Return the structure: a chain of convolutions that adds detail to a bicubic.

    ``beyond``: how far the result may go beyond the range of the picture nearby, in the picture's units; ``None``: as
    far as it will. ``codes``: the picture is code values, and the head is quantised.
    """

    def run(ops: Ops[T], planes: tuple[T, ...]) -> tuple[T, ...]:
        picture, *chroma = planes
        x = ops.relu(ops.conv("head", ops.quantise("head", picture) if codes else picture), "layer.0")
        for k in range(arch.convs):
            x = ops.relu(ops.conv(f"body.{k}", ops.quantise(f"body.{k}", x)), f"layer.{k + 1}")
        detail = ops.conv("tail", ops.quantise("tail", x))
        y = ops.add(detail, ops.conv("bicubic.luma", picture))
        if beyond is not None:
            y = ops.within(y, picture, beyond)
        return (y, *(ops.conv("bicubic.chroma", plane) for plane in chroma))

    return run


def head_pads(arch: LumaShape) -> tuple[int, int, int, int]:
    """Return the head's padding: features of pixels get one more row and column, to cover whole cells."""
    return (0, 0, 1, 1) if arch.stride < CELL else (0, 0, 0, 0)


def _layers(arch: LumaShape) -> frozenset[str]:
    """Return the bases between the convolutions; check that zero padding affects the margin alone."""
    if arch.stride * (arch.convs + 1) + max(head_pads(arch)) > CELL * MARGIN:
        raise ValueError(f"{arch.convs} convolutions see further than the margin of {MARGIN} cells")
    return frozenset(f"layer.{k}" for k in range(arch.convs + 1))


def _chain(arch: LumaShape, weights: Weights, to_luma: Array, black: float) -> dict[str, Conv]:
    """Return head, body and tail. Full-range luma is the sum of ``to_luma`` (channels,) x (plane - ``black``)."""

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
    """Return the bicubic x2 as a grouped convolution from pixels to the 16 sub-pixels of a cell, for each channel."""
    taps = bicubic_taps(np.arange(CELL_OUT) / 2 - 0.25, first=-2, count=6)
    kernel = np.einsum("ay,bx->abyx", taps, taps).reshape(-1, 1, 6, 6)
    pads = (_BEFORE, _BEFORE, _AFTER, _AFTER)
    kernel = np.tile(kernel, (channels, 1, 1, 1))
    return Conv(kernel, np.zeros(len(kernel)), stride=CELL, pads=pads, groups=channels)


def _bicubic_chroma(colour: Colour) -> Conv:
    """Return the bicubic that makes 4 U and 4 V per cell, sited by ``colour.chroma_location`` in input and output.

    Along an axis, samples of a 4:4:4 input coincide with those of the output or lie a quarter of a pixel after them.
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
