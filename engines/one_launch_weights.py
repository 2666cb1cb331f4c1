"""Weights of a luma network in the order in which ``one_launch.cu`` reads them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr4k.engines.exact_weights import as_pairs, chroma_factors
from sr4k.models.architecture import LumaShape
from sr4k.models.geometry import CELL
from sr4k.models.quantize import OFFSET, QuantizedNetwork

FEATURES = 32
"""Features of the networks that fit."""

_LANES = 32
_ROW = 16
"""Int8 values in a k16 fragment of a matrix product."""

_COUNTED = 2**22
"""Bound of the integers that a float32 holds beside 1.5 * 2**23, in units of one."""

_FLOAT_BITS = 0x4B400000
"""The bits of 1.5 * 2**23 as a float32: an integer added to them is added to the number."""

NAMES = ("head", "body", "tail", "cubic", "starts", "factors", "chroma")
"""The arrays of `pack`, in the order of the kernel's parameters."""


def convs_of(network: QuantizedNetwork) -> int:
    """Return the number of convolutions between head and tail.

    Raises:
        ValueError: the network is not one of 32 features on cells, for YUV planes.
    """
    arch = network.network.arch
    if not isinstance(arch, LumaShape) or (arch.features, arch.stride) != (FEATURES, CELL):
        raise ValueError(f"it is for luma networks of {FEATURES} features on cells")
    if not network.network.yuv:
        raise ValueError("it is for YUV planes")
    return arch.convs


def pack(network: QuantizedNetwork) -> dict[str, NDArray[Any]]:
    """Return the arrays `NAMES`.

    They are uint32 fragments of int8 weights; by layer and channel the int32 that sums begin with and float32 factors
    that turn sums into the next layer's values; and int32 weights (2, 2, taps) of chroma: along columns and along rows,
    for either output sample.

    Raises:
        ValueError: the network is not one that the kernel computes, or its weights don't fit the kernel's integers.
    """
    body = [f"body.{k}" for k in range(convs_of(network))]
    convs, steps = network.network.convs, network.weight_scales
    whole = {name: np.rint(convs[name].kernel / step[:, None, None, None]) for name, step in steps.items()}
    fragments = {
        "head": _head(whole["head"]),
        "body": np.stack([part for name in body for part in _body(whole[name])]),
        "tail": np.stack([_fragments(tap, 2).reshape(_LANES, 4) for tap in _taps(whole["tail"])]),
        "cubic": _bicubic(convs["bicubic.luma"].kernel[:, 0]),
    }
    packed = {name: np.ascontiguousarray(words, np.uint32) for name, words in fragments.items()}
    return packed | _epilogues(network, body) | {"chroma": chroma_factors(convs["bicubic.chroma"].kernel[:, 0])}


def _epilogues(network: QuantizedNetwork, body: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return ``starts`` and ``factors``: how a layer's sums become the next layer's int8 values, or code values.

    Raises:
        ValueError: sums may become larger than the kernel's floats can count.
    """
    convs, steps, inputs = network.network.convs, network.weight_scales, network.input_scales
    names = ["head", *body, "tail"]
    units = [inputs[name] for name in names[1:]] + [1.0]
    starts, factors = [], []
    for name, unit in zip(names, units, strict=True):
        scale, bias = steps[name] * inputs[name] / unit, convs[name].bias / unit
        if name == "tail":
            bias = bias + convs["bicubic.luma"].bias
        whole = np.rint(bias / scale)
        weights = np.rint(convs[name].kernel / steps[name][:, None, None, None])
        if (np.abs(whole) + OFFSET * np.abs(weights).sum((1, 2, 3))).max() >= _COUNTED:
            raise ValueError(f"the sums of {name} may exceed {_COUNTED}")
        starts.append(whole + _FLOAT_BITS)
        high = scale.astype(np.float32)
        factors += [high, scale - high, bias - whole * scale + 0.5]
    return {"starts": np.concatenate(starts).astype(np.int32), "factors": np.concatenate(factors).astype(np.float32)}


def _head(kernel: NDArray[Any]) -> NDArray[np.uint32]:
    """Return 3x3 taps as fragments with k = 4 * row + column."""
    rows = np.zeros((32, _ROW))
    for row in range(3):
        rows[:, 4 * row : 4 * row + 3] = kernel[:, 0, row]
    return _fragments(rows, 4)[:, :, 0]


def _body(kernel: NDArray[Any]) -> list[NDArray[np.uint32]]:
    """Return each tap as (2, lanes, 4) words: n-tiles 0 and 1, then 2 and 3."""
    return [_fragments(tap, 4).reshape(_LANES, 2, 4).transpose(1, 0, 2) for tap in _taps(kernel)]


def _taps(kernel: NDArray[Any]) -> list[NDArray[Any]]:
    return [kernel[:, :, row, column] for row in range(3) for column in range(3)]


def _bicubic(kernel: NDArray[Any]) -> NDArray[np.uint32]:
    """Return 6x6 taps as three chunks of two rows with k = 8 * (row % 2) + column, each with a high and a low part.

    Raises:
        ValueError: a weight isn't an integer over the unit.
    """
    chunks = []
    for chunk in range(3):
        parts = []
        for weights in as_pairs(kernel):
            rows = np.zeros((16, _ROW))
            for row in range(2):
                rows[:, 8 * row : 8 * row + 6] = weights[:, 2 * chunk + row]
            parts.append(_fragments(rows, 2)[:, :, 0])
        chunks.append(np.concatenate(parts, axis=1))
    return np.stack(chunks)


def _fragments(weights: NDArray[Any], tiles: int) -> NDArray[np.uint32]:
    """Return the B operands of mma.m16n8 of int8 weights (outputs, k): (lanes, n-tiles, k // 16) words.

    Column n of n-tile j is output ``n // 2 * 2 * tiles + 2 * j + n % 2``, so that the outputs of a lane are neighbours.

    Raises:
        ValueError: a weight is outside of -127..127.
    """
    if np.abs(weights).max() > 127:
        raise ValueError("a weight is outside of -127..127")
    parts = weights.shape[1] // _ROW
    words = np.zeros((_LANES, tiles, parts), np.uint32)
    for lane in range(_LANES):
        column, k = lane // 4, 4 * (lane % 4)
        for tile in range(tiles):
            row = weights[column // 2 * 2 * tiles + 2 * tile + column % 2].astype(np.int8)
            for part in range(parts):
                words[lane, tile, part] = _word(row[part * _ROW + k : part * _ROW + k + 4])
    return words


def _word(values: Sequence[int] | NDArray[np.int8]) -> int:
    return int(np.ascontiguousarray(values, np.int8).view(np.uint32)[0])
