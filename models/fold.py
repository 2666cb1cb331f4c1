"""Fold RCAN exactly: everything linear before the first ReLU or after the last becomes one convolution.

* Collapse: the tail (3x3 conv, PixelShuffle(4), 3x3 conv) becomes one 5x5 convolution from features to the 4x4 output
  pixels of a cell.
* Mean shift: folds into the neighbouring biases.
* Colour: Y'CbCr to R'G'B', chroma upsampling included, folds into the head; R'G'B' to Y'CbCr with chroma averaging into
  the tail.
* Skip: the long skip connects the head to the tail with nothing in between, so it becomes one convolution from the
  planes to the sub-pixels. The picture itself can thus stay in float while features are int8.

Each linear map is written once, as plain code, and its kernel is read off the response to one impulse per channel, in
float64. `sr4k.models.geometry` defines how pictures are padded.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sr4k.models.architecture import RcanShape
from sr4k.models.colour import (
    Colour,
    downsample_chroma,
    rgb_from_yuv,
    upsample_chroma,
    yuv_from_rgb,
)
from sr4k.models.folded_network import Array, Conv, FoldedNetwork, Ops, Structure
from sr4k.models.geometry import CELL, CELL_OUT, pixel_shuffle

T = TypeVar("T")
Weights = Mapping[str, NDArray[np.floating]]
"""Parameters of the trained form by their PyTorch names."""

STREAM, DETAIL = "stream", "detail"
"""Bases of the channels that pass through the skips of groups and blocks, and of the body's output."""

SAME3 = (1, 1, 1, 1)
"""Padding that keeps the size at a 3x3 convolution."""

SAME5 = (2, 2, 2, 2)
"""Padding that keeps the size at a 5x5 convolution."""


def fold_yuv(arch: RcanShape, weights: Weights, colour: Colour) -> FoldedNetwork:
    """Fold the network for Y, U, V planes and Y, U, V sub-pixels."""
    heads, tail = fold_yuv_head(arch, weights, colour), fold_yuv_tail(arch, weights, colour)
    return _network(arch, weights, heads, tail, colour)


def fold_rgb(arch: RcanShape, weights: Weights) -> FoldedNetwork:
    """Fold the network for RGB and RGB sub-pixels: the tail is collapsed and mean shifts are folded."""
    return _network(arch, weights, (fold_rgb_head(weights),), collapse_tail(arch, weights), None)


def _network(
    arch: RcanShape, weights: Weights, heads: tuple[Conv, ...], tail: Conv, colour: Colour | None
) -> FoldedNetwork:
    convs = {f"head.{k}": replace(head, writes=STREAM) for k, head in enumerate(heads)}
    for name, reads, writes in body_convs(arch):
        convs[name] = replace(_conv(weights, name), pads=SAME3, quantised=True, reads=reads, writes=writes)
    convs["tail"] = replace(tail, pads=SAME5, quantised=True, reads=DETAIL)
    for k, head in enumerate(heads):
        convs[f"skip.{k}"] = _skip(head, tail)
    return FoldedNetwork(arch, structure(arch), convs, colour)


def body_convs(arch: RcanShape) -> Iterator[tuple[str, str, str]]:
    """Yield the convolutions between head and tail in execution order: name, basis read, basis written."""
    for g in range(arch.groups):
        for b in range(arch.blocks):
            inner = f"inner.{g}.{b}"
            yield f"body.{g}.body.{b}.body.0", STREAM, inner
            yield f"body.{g}.body.{b}.body.2", inner, STREAM
        yield f"body.{g}.body.{arch.blocks}", STREAM, STREAM
    yield f"body.{arch.groups}", STREAM, DETAIL


def structure(arch: RcanShape) -> Structure:
    """Return the structure of the folded SR4K form.

    A skip adds the quantised input of the convolution it bypasses; the long skip bypasses all features.
    """

    def of_planes(ops: Ops[T], name: str, planes: tuple[T, ...]) -> T:
        total = ops.conv(f"{name}.0", planes[0])
        for k, plane in enumerate(planes[1:], 1):
            total = ops.add(total, ops.conv(f"{name}.{k}", plane))
        return total

    def run(ops: Ops[T], planes: tuple[T, ...]) -> tuple[T, ...]:
        stream = of_planes(ops, "head", planes)
        for g in range(arch.groups):
            inner, skips = stream, []
            for b in range(arch.blocks):
                first, second = (f"body.{g}.body.{b}.body.{k}" for k in (0, 2))
                seen = ops.quantise(first, inner)
                branch = ops.relu(ops.conv(first, seen), f"inner.{g}.{b}")
                inner = ops.add(ops.conv(second, ops.quantise(second, branch)), seen)
                skips.append(seen)
            last = f"body.{g}.body.{arch.blocks}"
            stream = ops.add(ops.conv(last, ops.quantise(last, inner)), skips[0])
        last = f"body.{arch.groups}"
        detail = ops.conv(last, ops.quantise(last, stream))
        return (ops.add(ops.conv("tail", ops.quantise("tail", detail)), of_planes(ops, "skip", planes)),)

    return run


def fold_rgb_head(weights: Weights) -> Conv:
    """Fold the mean shift into the head: RGB 0..255, stride 2."""
    head, shift = _conv(weights, "head"), _conv(weights, "sub_mean")
    kernel = np.einsum("ocyx,ci->oiyx", head.kernel, shift.kernel[:, :, 0, 0])
    return Conv(kernel, head.bias + head.kernel.sum((2, 3)) @ shift.bias, stride=CELL)


def fold_yuv_head(arch: RcanShape, weights: Weights, colour: Colour) -> tuple[Conv, Conv]:
    """Fold mean shift, Y'CbCr to R'G'B' and chroma upsampling into the head.

    Returns the luma convolution (C, 1, 3, 3), stride 2, which has the bias, and the chroma one (C, 2, 3, 3): stride 1
    on 4:2:0 planes, stride 2 on 4:4:4 planes.
    """
    head = fold_rgb_head(weights)
    matrix, offset = rgb_from_yuv(colour)
    luma = np.einsum("ocyx,c->oyx", head.kernel, matrix[:, 0])[:, None]
    bias = head.bias + head.kernel.sum((2, 3)) @ offset

    if colour.sampling == "444":
        whole = np.einsum("ocyx,ci->oiyx", head.kernel, matrix[:, 1:])
        return Conv(luma, bias, stride=CELL), Conv(whole, np.zeros(arch.features), stride=CELL)

    def from_chroma(planes: Array) -> Array:  # (n, 2, h, w) -> (n, C, h, w)
        rgb = np.einsum("ci,niyx->ncyx", matrix[:, 1:], upsample_chroma(planes, colour.chroma_location))
        return _conv3(rgb, head.kernel)[..., ::CELL, ::CELL]

    chroma = _kernel_of(from_chroma, channels=2, reach=1)
    return Conv(luma, bias, stride=CELL), Conv(chroma, np.zeros(arch.features))


def _skip(head: Conv, tail: Conv) -> Conv:
    """Compose head and tail, without the tail's bias, as one convolution on a plane; only the margin sees zeros."""
    stride, reach = head.stride, 2 * head.stride
    side = head.kernel.shape[-1] + 2 * reach
    kernel = np.zeros((len(tail.kernel), head.kernel.shape[1], side, side))
    for y, x in np.ndindex(5, 5):
        there = (..., slice(stride * y, stride * y + 3), slice(stride * x, stride * x + 3))
        kernel[there] += np.einsum("oc,cihw->oihw", tail.kernel[:, :, y, x], head.kernel)
    return Conv(kernel, tail.kernel.sum((2, 3)) @ head.bias, stride=stride, pads=(reach,) * 4)


def collapse_tail(arch: RcanShape, weights: Weights) -> Conv:
    """Fold the tail and its mean shift into one 5x5 convolution to the 48 RGB values of a cell."""
    return _collapse(arch, weights, lambda rgb: rgb)


def fold_yuv_tail(arch: RcanShape, weights: Weights, colour: Colour) -> Conv:
    """Fold tail, mean shift, R'G'B' to Y'CbCr and chroma averaging into one 5x5 convolution to 16 Y, 4 U and 4 V."""
    matrix, offset = yuv_from_rgb(colour)

    def to_yuv(cells: Array) -> Array:  # (n, 48, h, w) -> (n, 24, h, w)
        yuv = np.einsum("ic,ncyx->niyx", matrix, pixel_shuffle(cells, CELL_OUT))
        chroma = downsample_chroma(yuv[:, 1:], colour.chroma_location)
        return np.concatenate([_unshuffle(yuv[:, :1], CELL_OUT), _unshuffle(chroma, CELL)], axis=1)

    tail = _collapse(arch, weights, to_yuv)
    return Conv(tail.kernel, tail.bias + np.repeat(offset, (16, 4, 4)))


def _collapse(arch: RcanShape, weights: Weights, after: Callable[[Array], Array]) -> Conv:
    """Fold the tail, followed by a linear map of the (n, 48, h, w) cells, into one convolution of reach 2."""
    up, last, shift = (_conv(weights, name) for name in ("up.0", "last", "add_mean"))
    recolour = shift.kernel[:, :, 0, 0]

    def linear(features: Array) -> Array:
        rgb = _conv3(pixel_shuffle(_conv3(features, up.kernel), CELL_OUT), last.kernel)
        return after(_unshuffle(np.einsum("ic,ncyx->niyx", recolour, rgb), CELL_OUT))

    def constant() -> Array:
        flat = np.broadcast_to(up.bias[None, :, None, None], (1, up.bias.size, 5, 5))
        rgb = _conv3(pixel_shuffle(flat, CELL_OUT), last.kernel) + last.bias[:, None, None]
        rgb = np.einsum("ic,ncyx->niyx", recolour, rgb) + shift.bias[:, None, None]
        return after(_unshuffle(rgb, CELL_OUT))[0, :, 2, 2]

    return Conv(_kernel_of(linear, channels=arch.features, reach=2), constant())


def _kernel_of(linear: Callable[[Array], Array], *, channels: int, reach: int) -> Array:
    """Return the kernel (out, channels, 2 reach + 1, 2 reach + 1) of a linear, shift-invariant map.

    Raises:
        ValueError: the map reaches further.
    """
    side = 2 * reach + 3  # one cell more than the kernel, to check that the response ends there
    impulses = np.zeros((channels, channels, side, side))
    impulses[range(channels), range(channels), reach + 1, reach + 1] = 1.0
    response = linear(impulses)
    inner = response[:, :, 1:-1, 1:-1]
    outside = np.abs(response).sum() - np.abs(inner).sum()
    if outside > 1e-9 * np.abs(inner).sum():
        raise ValueError(f"the map reaches further than {reach} cells")
    return np.ascontiguousarray(inner[:, :, ::-1, ::-1].transpose(1, 0, 2, 3))


def _conv(weights: Weights, name: str) -> Conv:
    return Conv(weights[f"{name}.weight"].astype(np.float64), weights[f"{name}.bias"].astype(np.float64))


def _conv3(x: Array, kernel: Array) -> Array:
    """Convolve 3x3 with stride 1 and zero padding: (n, in, h, w) to (n, out, h, w)."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    out: Array = np.einsum("nchwyx,ocyx->nohw", windows, kernel, optimize=True)
    return out


def _unshuffle(x: Array, r: int) -> Array:
    n, c, h, w = x.shape
    return x.reshape(n, c, h // r, r, w // r, r).transpose(0, 1, 3, 5, 2, 4).reshape(n, c * r**2, h // r, w // r)
