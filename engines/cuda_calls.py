"""The launches of a folded network, prepared: its weights in the kernels' layout, and the extent of its maps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sr4k.engines.cuda_kernels import PAIR_TAPS, PLANE_TAPS, chroma_bicubic, fused_convolution
from sr4k.engines.cuda_output import Output
from sr4k.engines.exact_weights import as_pairs, chroma_factors
from sr4k.engines.fuse import Launch, MapRef, PlaneRef, Term, fuse
from sr4k.errors import EngineError
from sr4k.models.folded_network import Array, Conv, FoldedNetwork
from sr4k.models.geometry import CELL_OUT, MARGIN, padded_chroma, padded_luma
from sr4k.models.quantize import OFFSET, QuantizedNetwork, folded_of

_BORDER = 2
"""Width of the border of zeros around a map, in positions: the reach of the widest kernel."""

_SPARE = 64
"""Positions after the end of a map that the last row's taps may read."""

_LARGEST_WEIGHT = 2.0**14
"""Magnitude that weights of planes are scaled to, so that both of their float16 parts are normal numbers."""

_FLOAT_BITS = 0x4B400000
"""The bits of 1.5 * 2**23 as a float32: an integer added to them is added to the number."""

_COUNTED = 2**22
"""Bound of the integers that a float32 holds beside 1.5 * 2**23, in units of one."""

_LEAST_LANES = 16
_LEAST_INT8_CHUNK = 32
"""Smallest n, and smallest k in int8, of a matrix product on tensor cores."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Extent of a map without its border, in positions: cells or pixels, margin included."""

    rows: int
    columns: int

    @property
    def stride(self) -> int:
        """Row stride, in positions."""
        return self.columns + 2 * _BORDER

    @property
    def origin(self) -> int:
        """Index of the first position inside the border."""
        return _BORDER * self.stride + _BORDER

    @property
    def size(self) -> int:
        """Number of positions in memory, border and spare ones included."""
        return (self.rows + 2 * _BORDER) * self.stride + _SPARE


@dataclass(frozen=True, slots=True)
class Call:
    """A prepared launch: its sources, and the kernel arguments that are the same for every frame."""

    launch: Launch
    kernel: Any
    grid: Grid
    outputs: int
    positions: int
    arguments: dict[str, Any] = field(repr=False)

    @property
    def to_map(self) -> bool:
        return self.launch.scale is not None

    @property
    def values(self) -> int:
        """Number of elements of its map in memory."""
        return self.outputs * self.grid.size

    @property
    def reads(self) -> list[int]:
        """Indices of the launches whose maps this one reads."""
        source = self.launch.of_map
        refs = (source and source.source, self.launch.skip)
        return [ref.launch for ref in refs if isinstance(ref, MapRef)]


def prepared_calls(network: FoldedNetwork | QuantizedNetwork, output: Output, device: torch.device) -> list[Call]:
    """Prepare the launches of a network for frames of one size, with their weights on ``device``.

    Raises:
        EngineError: sums of the network may become larger than the kernels can count.
    """
    return _Preparation(network, output, device).calls


class _Preparation:
    """Prepares one launch after the other, as each needs the extent of the maps that it reads."""

    def __init__(self, network: FoldedNetwork | QuantizedNetwork, output: Output, device: torch.device) -> None:
        self._output, self._device = output, device
        self._quantized = network if isinstance(network, QuantizedNetwork) else None
        self._convs = folded_of(network).convs
        height, width = output.height, output.width
        self._padded = padded_luma(height, width), padded_chroma(height, width, output.colour.sampling)
        self._cells = Grid(*output.cells)
        self.calls: list[Call] = []
        for launch in fuse(network):
            alone = launch.scale is None and launch.of_map is None
            self.calls.append(self._chroma(launch) if alone else self._call(launch))

    def _call(self, launch: Launch) -> Call:
        """Prepare a launch that writes a map, or sub-pixels from the first on."""
        first = self._convs[launch.terms[0].conv]
        grid = self._grid(first)
        outputs = len(first.bias)
        to_map = launch.scale is not None
        order = np.arange(outputs) if to_map else self._output.order(outputs)
        lanes = max(_LEAST_LANES, 1 << (outputs - 1).bit_length())
        unit = launch.scale or 1.0
        margin = 0 if to_map else MARGIN
        beyond = (
            first.pads[2] if launch.of_planes and to_map else 0
        )  # rows of the margin whose taps reach past the plane's end
        rows = grid.rows - 2 * margin - beyond
        arguments = {
            "skip_scale": launch.skip.scale / unit if launch.skip else 0.0,
            "stride": grid.stride,
            "origin": grid.origin,
            "first_row": margin,
            "rows": rows,
            "first_column": margin,
            "last_column": grid.columns - margin,
            "has_skip": launch.skip is not None,
            "relu": launch.relu,
            "within": launch.beyond is not None,
            "beyond": launch.beyond or 0.0,
            "cell_columns": self._cells.columns,
            "to_map": to_map,
            **self._output.samples(),
            "outputs": outputs,
            "lanes": lanes,
            **self._quad_tables(0 if to_map else outputs, lanes),
            **self._source(launch.of_map, order, lanes, unit),
            **self._planes(launch.of_planes, order, lanes, unit),
            **self._bias(launch, order, lanes, unit),
        }
        return Call(launch, fused_convolution, grid, outputs, rows * grid.stride, arguments)

    def _chroma(self, launch: Launch) -> Call:
        """Prepare the launch that enlarges the chroma planes alone."""
        (term,) = launch.terms
        conv, (rows, pitch) = self._convs[term.conv], self._padded[1]
        factors, step, groups = chroma_factors(conv.kernel[:, 0]), conv.stride, self._output.quads[CELL_OUT**2 // 4 :]
        top, left = conv.pads[:2]
        cells = (self._cells.rows - 2 * MARGIN, self._cells.columns - 2 * MARGIN)
        (row_words, column_words, first), (*_, second) = groups
        margin = MARGIN * (row_words + column_words)
        arguments = {
            "row_words": row_words,
            "column_words": column_words,
            "group_words": second - first,
            "first_word": first + margin,
            "pitch": pitch,
            "plane_values": rows * pitch,
            "first": (step * MARGIN - top) * pitch + step * MARGIN - left,
            "rows": cells[0],
            "columns": cells[1],
            "step": step,
            "taps": factors.shape[2],
            "factors": tuple(factors.reshape(-1).tolist()),
            "together": self._output.layout == "nv12",
            **self._output.samples(),
        }
        return Call(launch, chroma_bicubic, self._cells, len(conv.bias), math.prod(cells), arguments)

    def _bias(self, launch: Launch, order: NDArray[np.intp], lanes: int, unit: float) -> dict[str, Tensor]:
        """Return what the sums of a launch begin with, and the rest of its bias.

        Raises:
            EngineError: sums may become larger than the kernel's floats can count.
        """
        bias = sum((self._convs[term.conv].bias for term in launch.terms), np.zeros(len(order))) / unit
        first = launch.terms[0]
        integers = self._quantized is not None and self._convs[first.conv].quantised
        if not integers:
            mapped = launch.of_map is not None
            begin, rest = (bias, np.zeros_like(bias)) if mapped else (np.zeros_like(bias), bias)
            return {"begin": self._of_lanes(begin, order, lanes), "rest": self._of_lanes(rest, order, lanes)}
        assert self._quantized is not None
        steps = self._quantized.weight_scales[first.conv]
        scale = steps * self._quantized.input_scales[first.conv] / unit
        whole = np.rint(bias / scale)
        weights = np.abs(self._convs[first.conv].kernel / steps[:, None, None, None]).sum((1, 2, 3))
        if (np.abs(whole) + OFFSET * weights).max() >= _COUNTED:
            raise EngineError(f"The sums of {first.conv} may exceed {_COUNTED}: use other weights.")
        remaining = self._of_lanes(bias - whole * scale, order, lanes)
        if launch.of_map is None:
            return {"begin": self._of_lanes(whole, order, lanes), "rest": remaining}
        bits = np.full(lanes, _FLOAT_BITS)
        bits[: len(order)] += whole[order].astype(int)
        return {"begin": self._tensor(bits, torch.int32), "rest": remaining}

    def _source(self, term: Term | None, order: NDArray[np.intp], lanes: int, unit: float) -> dict[str, Any]:
        """Return the arguments for the convolution of a map: its taps row by row, each row in contiguous chunks."""
        if term is None:
            nothing = self._tensor(np.zeros(lanes), torch.float32)
            return {
                "source_weights": nothing, "source_scale": nothing,
                "source_stride": 0, "source_origin": 0, "source_step": 1,
                "reach": 0, "features": 1, "kernel_rows": 0, "chunks": 0, "chunk": 1,
            }  # fmt: skip
        assert isinstance(term.source, MapRef)
        conv, source = self._convs[term.conv], self.calls[term.source.launch].grid
        kernel = conv.kernel
        scale: Array = np.ones(len(conv.bias))
        if self._quantized is not None:
            steps = self._quantized.weight_scales[term.conv]
            kernel = np.rint(kernel / steps[:, None, None, None])
            scale = steps * self._quantized.input_scales[term.conv]
        outputs, features, side, _ = kernel.shape
        chunk = features if self._quantized is None else max(_LEAST_INT8_CHUNK, features)
        chunks = -(-side * features // chunk)
        taps = np.zeros((side, chunks * chunk, lanes))
        taps[:, : side * features, :outputs] = kernel[order].transpose(2, 3, 1, 0).reshape(side, -1, outputs)
        taps = taps.reshape(side, chunks, chunk, lanes).transpose(0, 1, 3, 2)
        return {
            "source_weights": self._tensor(taps, torch.float16 if self._quantized is None else torch.int8),
            "source_scale": self._of_lanes(scale / unit, order, lanes),
            "source_stride": source.stride,
            "source_origin": source.origin,
            "source_step": conv.stride,
            "reach": conv.pads[0],
            "features": features,
            "kernel_rows": side,
            "chunks": chunks,
            "chunk": chunk,
        }

    def _planes(self, terms: Sequence[Term], order: NDArray[np.intp], lanes: int, unit: float) -> dict[str, Any]:
        """Return the arguments for up to two convolutions of planes; those of code values have integer weights."""
        codes = any(isinstance(term.source, PlaneRef) and term.source.codes for term in terms)
        kernels = [_dense(self._convs[term.conv]) for term in terms]
        scale: Array = np.ones(len(order))
        pairs = self._pairs(kernels) if not codes else None
        if codes:
            assert self._quantized is not None
            scale = self._quantized.weight_scales[terms[0].conv]
            kernels = [np.rint(kernels[0] / scale[:, None, None, None])]
        elif terms and pairs is None:
            factor = 2.0 ** np.floor(np.log2(_LARGEST_WEIGHT / max(np.abs(kernel).max() for kernel in kernels)))
            kernels, scale = [kernel * factor for kernel in kernels], scale / factor
        arguments = {
            "codes": codes,
            "pairs": pairs is not None,
            "plane_scale": self._of_lanes(scale / unit, order, lanes),
            "used_a": kernels[0][0].size if kernels else 0,
        }
        for letter, term, kernel in zip("ab", (*terms, None, None), (*kernels, None, None), strict=False):
            if term is None or kernel is None:
                found = self._no_plane()
            elif pairs is not None:
                found = self._plane(term, [part[order] for part in pairs], lanes, PAIR_TAPS.value, torch.int8)
            else:
                high = kernel.astype(np.float16)
                parts = [high, *([low] if (low := kernel - high).any() else [])]
                found = self._plane(term, [part[order] for part in parts], lanes, PLANE_TAPS.value, torch.float16)
            arguments |= {f"{key}_{letter}": value for key, value in found.items()}
        return arguments

    def _pairs(self, kernels: Sequence[Array]) -> tuple[Array, Array] | None:
        """Return the weights of a single plane in two parts of int8, if they are such and the network is in int8."""
        if self._quantized is None or len(kernels) != 1:
            return None
        try:
            return as_pairs(kernels[0])
        except ValueError:
            return None

    def _no_plane(self) -> dict[str, Any]:
        nothing = self._tensor(np.zeros(PLANE_TAPS.value), torch.int32)
        return {"weights": nothing, "taps": nothing, "row": 0, "column": 0, "count": 0, "parts": 0}

    def _plane(self, term: Term, parts: Sequence[Array], lanes: int, at_once: int, kind: torch.dtype) -> dict[str, Any]:
        """Return the arguments for a convolution of a plane, in parts of ``kind``, ``at_once`` taps to a product."""
        assert isinstance(term.source, PlaneRef)
        rows, pitch = self._padded[term.source.number]
        conv = self._convs[term.conv]
        outputs, channels, height, width = parts[0].shape
        top, left = conv.pads[:2]
        c, y, x = np.meshgrid(np.arange(channels), np.arange(height), np.arange(width), indexing="ij")
        used = height * width * channels
        count = -(-used // at_once) * at_once
        taps = np.zeros(count, np.int32)
        taps[:used] = (c * rows * pitch + (y - top) * pitch + x - left).reshape(-1)
        weights = np.zeros((len(parts), lanes, count))
        weights[:, :outputs, :used] = np.reshape(parts, (len(parts), outputs, -1))
        return {
            "weights": self._tensor(weights, kind),
            "taps": self._tensor(taps, torch.int32),
            "row": conv.stride * pitch,
            "column": conv.stride,
            "count": count,
            "parts": len(parts),
        }

    def _grid(self, conv: Conv) -> Grid:
        """Return the extent of the convolution's output."""
        side = math.isqrt(conv.per_cell)
        return Grid(side * self._cells.rows, side * self._cells.columns)

    def _quad_tables(self, outputs: int, lanes: int) -> dict[str, Tensor]:
        table = np.zeros((3, lanes // 4), np.int32)
        table[:, : outputs // 4] = np.array(self._output.quads[: outputs // 4]).reshape(-1, 3).T
        return {
            name: self._tensor(part, torch.int32)
            for name, part in zip(("quad_row", "quad_column", "quad_offset"), table, strict=True)
        }

    def _of_lanes(self, values: Array, order: NDArray[np.intp], lanes: int) -> Tensor:
        padded = np.zeros(lanes)
        padded[: len(order)] = values[order]
        return self._tensor(padded, torch.float32)

    def _tensor(self, values: NDArray[Any], kind: torch.dtype) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device, kind)


def _dense(conv: Conv) -> Array:
    """Return the dense kernel (out, channels, height, width) of a grouped convolution."""
    outputs, inner = conv.kernel.shape[:2]
    dense = np.zeros((outputs, inner * conv.groups, *conv.kernel.shape[2:]))
    each = outputs // conv.groups
    for group in range(conv.groups):
        mine = slice(group * each, (group + 1) * each)
        dense[mine, group * inner : (group + 1) * inner] = conv.kernel[mine]
    return dense
