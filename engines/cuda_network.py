"""A folded network on a GPU: its launches, their weights in the kernel's layout, and the maps between them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
import triton
from numpy.typing import NDArray
from torch import Tensor

from sr4k.engines.cuda_kernels import PAIR_TAPS, PLANE_TAPS, chroma_bicubic, fused_convolution
from sr4k.engines.exact_weights import as_pairs, chroma_factors
from sr4k.engines.fuse import Launch, MapRef, PlaneRef, Term, fuse
from sr4k.errors import EngineError
from sr4k.models.folded_network import Array, Conv, FoldedNetwork
from sr4k.models.geometry import CELL, CELL_OUT, MARGIN, P010_SHIFT, SCALE, padded_chroma, padded_luma
from sr4k.models.quantize import OFFSET, QuantizedNetwork

Layout = Literal["cells", "nv12"]
"""Layout of the output: cells, as `sr4k.engines.Engine` returns them, or one NV12 frame (3H, 2W), of 10 bits P010."""

_CHANNELS = CELL_OUT**2 + 2 * CELL**2

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
class Tuning:
    """Partition of a launch over the GPU.

    Attributes:
        block: positions that one program computes; a power of two, 16 or more.
        warps: warps of 32 threads in a program.
        stages: depth of the software pipeline of loads. With 2 or more, operands are copied to shared memory by
            ``cp.async``, which bypasses the L1 cache in code of Triton before 3.9; with 1 they are loaded through it.
            ``None``: Triton's default, 3.
    """

    block: int = 128
    warps: int = 4
    stages: int | None = None


def usual_tuning() -> Tuning:
    """Return the tuning for the Triton that is installed: through L1, where each byte is read by nine taps.

    Without the L1 cache the taps of a layer take nine times the map's bytes from the L2 cache, which is longer than
    the wait for loads that no stage prefetches.
    """
    past_l1 = tuple(int(part) for part in triton.__version__.split(".")[:2]) < (3, 9)
    return Tuning(stages=1 if past_l1 else None)


@dataclass(frozen=True, slots=True)
class _Grid:
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
class _Call:
    """A prepared launch: its sources, and the kernel arguments that are the same for every frame."""

    launch: Launch
    kernel: Any
    grid: _Grid
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


class FusedNetwork:
    """A network for YUV planes of one size. It holds the weights; the memory of a frame is passed to `run`.

    Args:
        network: runs in int8 if it is quantised, else in float16 with float32 sums.
        height, width: size of the frame; even.
        device: the GPU, or the CPU under Triton's interpreter.
        layout: of the output.
        tuning: of all launches.
    """

    def __init__(
        self,
        network: FoldedNetwork | QuantizedNetwork,
        height: int,
        width: int,
        device: torch.device,
        *,
        layout: Layout = "cells",
        tuning: Tuning | None = None,
    ) -> None:
        self.height, self.width, self.device, self.layout = height, width, device, layout
        self._tuning = tuning or usual_tuning()
        self._quantized = network if isinstance(network, QuantizedNetwork) else None
        folded = network.network if isinstance(network, QuantizedNetwork) else network
        assert folded.colour is not None
        self.dtype = torch.uint8 if folded.colour.bits == 8 else torch.uint16
        self._colour = folded.colour
        self._convs, self.macs = folded.convs, folded.macs(height, width)
        self._padded = padded_luma(height, width), padded_chroma(height, width, folded.colour.sampling)
        self._cells = _Grid(height // CELL + 2 * MARGIN, width // CELL + 2 * MARGIN)
        self._calls: list[_Call] = []
        for launch in fuse(network):
            alone = launch.scale is None and launch.of_map is None
            self._calls.append(self._chroma(launch) if alone else self._call(launch))

    @property
    def precision(self) -> str:
        """Precision of the feature maps: ``int8`` or ``fp16``."""
        return "fp16" if self._quantized is None else "int8"

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output: (H/2 + 10, W/2 + 10, 24) cells, whose margin is not written, or NV12 (3H, 2W)."""
        if self.layout == "cells":
            return (self._cells.rows, self._cells.columns, _CHANNELS)
        return (SCALE * self.height * 3 // 2, SCALE * self.width)

    def maps(self) -> list[Tensor]:
        """Allocate one frame's maps, by launch; maps whose lifetimes don't overlap share memory."""
        last_use = {launch: k for k, call in enumerate(self._calls) for launch in call.reads}
        found: list[Tensor] = []
        free: dict[int, list[Tensor]] = {}
        for k, call in enumerate(self._calls):
            if call.to_map:
                spare = free.get(call.values)
                found.append(spare.pop() if spare else self._map(call.values))
            for launch in {launch for launch in call.reads if last_use[launch] == k}:
                free.setdefault(len(found[launch]), []).append(found[launch])
        return found

    def run(self, luma: Tensor, chroma: Tensor, out: Tensor, maps: Sequence[Tensor]) -> None:
        """Enqueue one frame on the current stream.

        Args:
            luma, chroma: padded planes (H + 21, W + 21) and (2, H/2 + 12, W/2 + 12), or for 4:4:4
                (2, H + 21, W + 21), of code values in ``dtype``, contiguous.
            out: ``dtype``, shaped `output_shape`.
            maps: from `maps`; no other frame may be using them.
        """
        for kernel, programs, arguments in self.launches(luma, chroma, out, maps):
            kernel[(programs,)](**arguments)

    def launches(
        self, luma: Tensor, chroma: Tensor, out: Tensor, maps: Sequence[Tensor]
    ) -> Iterator[tuple[Any, int, dict[str, Any]]]:
        """Yield the kernel, the number of programs and the kernel's arguments of each launch; see `run`."""
        deep = self.dtype != torch.uint8
        planes = tuple(plane.view(-1).view(torch.int16) if deep else plane.view(-1) for plane in (luma, chroma))
        words = out.view(-1).view(torch.int64 if deep else torch.int32)
        tuning = self._tuning
        for k, call in enumerate(self._calls):
            shared = {
                **call.arguments,
                "block": tuning.block,
                "num_warps": tuning.warps,
                "enable_fp_fusion": False,  # so that the GPU rounds like the reference
            }
            if call.kernel is chroma_bicubic:
                yield call.kernel, -(-call.positions // tuning.block), {"out": words, "plane": planes[1], **shared}
                continue
            source, skip = call.launch.of_map, call.launch.skip
            seen = [planes[term.source.number] for term in call.launch.of_planes if isinstance(term.source, PlaneRef)]
            plane_a, plane_b = [*seen, planes[0], planes[0]][:2]
            yield (
                call.kernel,
                -(-call.positions // tuning.block),
                {
                    "out": maps[k] if call.to_map else words,
                    "source": maps[source.source.launch] if source and isinstance(source.source, MapRef) else planes[0],
                    "skip": maps[skip.launch] if skip else planes[0],
                    "plane_a": plane_a,
                    "plane_b": plane_b,
                    **shared,
                    **({} if tuning.stages is None else {"num_stages": tuning.stages}),
                },
            )

    def _map(self, values: int) -> Tensor:
        kind = torch.float16 if self._quantized is None else torch.int8
        return torch.zeros(values, dtype=kind, device=self.device)

    def _call(self, launch: Launch) -> _Call:
        """Prepare a launch that writes a map, or sub-pixels from the first on."""
        first = self._convs[launch.terms[0].conv]
        grid = self._grid(first)
        outputs = len(first.bias)
        to_map = launch.scale is not None
        order = np.arange(outputs) if to_map else self._order(outputs)
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
            "to_map": to_map,
            **self._samples(),
            "outputs": outputs,
            "lanes": lanes,
            **self._quad_tables(0 if to_map else outputs, lanes),
            **self._source(launch.of_map, order, lanes, unit),
            **self._planes(launch.of_planes, order, lanes, unit),
            **self._bias(launch, order, lanes, unit),
        }
        return _Call(launch, fused_convolution, grid, outputs, rows * grid.stride, arguments)

    def _samples(self) -> dict[str, Any]:
        """Return the arguments about code values that are written."""
        deep = self._colour.bits > 8
        shift = P010_SHIFT if deep and self.layout == "nv12" else 0
        return {"deep": deep, "most": self._colour.peak, "shift": shift}

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

    def _chroma(self, launch: Launch) -> _Call:
        """Prepare the launch that enlarges the chroma planes alone."""
        (term,) = launch.terms
        conv, (rows, pitch) = self._convs[term.conv], self._padded[1]
        factors, step, groups = chroma_factors(conv.kernel[:, 0]), conv.stride, self._quads()[CELL_OUT**2 // 4 :]
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
            "together": self.layout == "nv12",
            **self._samples(),
        }
        return _Call(launch, chroma_bicubic, self._cells, len(conv.bias), math.prod(cells), arguments)

    def _grid(self, conv: Conv) -> _Grid:
        """Return the extent of the convolution's output."""
        side = math.isqrt(conv.per_cell)
        return _Grid(side * self._cells.rows, side * self._cells.columns)

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
        conv, source = self._convs[term.conv], self._calls[term.source.launch].grid
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

    def _quads(self) -> list[tuple[int, int, int]]:
        """Return row stride, column stride and start of each group of four channels, in words of four."""
        if self.layout == "cells":
            quads = [(self._cells.columns * _CHANNELS // 4, _CHANNELS // 4, q) for q in range(_CHANNELS // 4)]
        else:
            pitch = SCALE * self.width // 4
            quads = [(CELL_OUT * pitch, 1, row * pitch) for row in range(CELL_OUT)]
            quads += [(CELL * pitch, 1, (SCALE * self.height + row) * pitch) for row in range(CELL)]
            quads = [(row, column, start - MARGIN * (row + column)) for row, column, start in quads]
        return quads

    def _order(self, outputs: int) -> NDArray[np.intp]:
        """Return an order of sub-pixel channels in which each group of four is contiguous in the output."""
        order = np.arange(_CHANNELS)
        if self.layout == "nv12":
            order[CELL_OUT**2 :] = order[CELL_OUT**2 :].reshape(2, -1).T.reshape(-1)
        return order[:outputs]

    def _quad_tables(self, outputs: int, lanes: int) -> dict[str, Tensor]:
        table = np.zeros((3, lanes // 4), np.int32)
        table[:, : outputs // 4] = np.array(self._quads()[: outputs // 4]).reshape(-1, 3).T
        return {
            name: self._tensor(part, torch.int32)
            for name, part in zip(("quad_row", "quad_column", "quad_offset"), table, strict=True)
        }

    def _of_lanes(self, values: Array, order: NDArray[np.intp], lanes: int) -> Tensor:
        padded = np.zeros(lanes)
        padded[: len(order)] = values[order]
        return self._tensor(padded, torch.float32)

    def _tensor(self, values: NDArray[Any], kind: torch.dtype) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, kind)


def _dense(conv: Conv) -> Array:
    """Return the dense kernel (out, channels, height, width) of a grouped convolution."""
    outputs, inner = conv.kernel.shape[:2]
    dense = np.zeros((outputs, inner * conv.groups, *conv.kernel.shape[2:]))
    each = outputs // conv.groups
    for group in range(conv.groups):
        mine = slice(group * each, (group + 1) * each)
        dense[mine, group * inner : (group + 1) * inner] = conv.kernel[mine]
    return dense
