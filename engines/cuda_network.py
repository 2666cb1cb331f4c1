"""A folded network on a GPU: runs its launches on the frames' planes, and allocates the maps between them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sr4k.engines.cuda_calls import prepared_calls
from sr4k.engines.cuda_kernels import chroma_bicubic, extremes_in_line
from sr4k.engines.cuda_output import Layout, Output
from sr4k.engines.cuda_range import CellRange
from sr4k.engines.fuse import MapRef, PlaneRef, fuse
from sr4k.models.folded_network import FoldedNetwork
from sr4k.models.quantize import QuantizedNetwork, folded_of


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


_WIDEST = 32
_MOST_TERMS = 2
"""Features, and convolutions in one launch, for which 256 positions fit a program's registers in int8."""


def usual_tuning(network: FoldedNetwork | QuantizedNetwork) -> Tuning:
    """Return the tuning that was the fastest on an H200 (`benchmarks/results/gpu_h200.md`).

    For int8 ``luma`` at 1080p, with 4 warps: 256 positions and Triton's stages 0.179 ms; 128 positions with 4, 2 and 1
    stages 0.195, 0.199 and 0.217 ms. With 256 positions the last launch of ``rcan2`` spills registers, and that of
    float16 has up to 254: these run as they were measured, with 128 positions and one stage.
    """
    fits = (
        isinstance(network, QuantizedNetwork)
        and all(len(conv.bias) <= _WIDEST for conv in folded_of(network).convs.values())
        and all(len(launch.terms) <= _MOST_TERMS for launch in fuse(network))
    )
    return Tuning(256) if fits else Tuning(stages=1)


class FusedNetwork:
    """A network for YUV planes of one size. It holds the weights; the memory of a frame is passed to `run`.

    Args:
        network: runs in int8 if it is quantised, else in float16 with float32 sums.
        height, width: size of the frame; even.
        device: the GPU, or the CPU under Triton's interpreter.
        layout: of the output.
        tuning: of all launches; `usual_tuning` if ``None``.

    Raises:
        EngineError: sums of the network may become larger than the kernels can count.
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
        self._tuning = tuning or usual_tuning(network)
        self._is_int8 = isinstance(network, QuantizedNetwork)
        folded = folded_of(network)
        assert folded.colour is not None
        self.dtype = torch.uint8 if folded.colour.bits == 8 else torch.uint16
        self.macs = folded.macs(height, width)
        self._output = Output(layout, height, width, folded.colour)
        self._calls = prepared_calls(network, self._output, device)
        self._range = None if folded.beyond is None else CellRange(height, width)

    @property
    def precision(self) -> str:
        """Precision of the feature maps: ``int8`` or ``fp16``."""
        return "int8" if self._is_int8 else "fp16"

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output: (H/2 + 10, W/2 + 10, 24) cells, whose margin is not written, or NV12 (3H, 2W)."""
        return self._output.shape

    def maps(self) -> list[Tensor]:
        """Allocate one frame's maps, by launch; maps whose lifetimes don't overlap share memory.

        Of a network that is kept within a range, the range's memory follows.
        """
        last_use = {launch: k for k, call in enumerate(self._calls) for launch in call.reads}
        found: list[Tensor] = []
        free: dict[int, list[Tensor]] = {}
        for k, call in enumerate(self._calls):
            if call.to_map:
                spare = free.get(call.values)
                found.append(spare.pop() if spare else self._map(call.values))
            for launch in {launch for launch in call.reads if last_use[launch] == k}:
                free.setdefault(len(found[launch]), []).append(found[launch])
        return found if self._range is None else [*found, *self._range.memory(self._plane_kind, self.device)]

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
        planes = tuple(plane.view(-1).view(self._plane_kind) for plane in (luma, chroma))
        words = out.view(-1).view(torch.int64 if deep else torch.int32)
        bounds = (planes[0], planes[0]) if self._range is None else tuple(maps[-2:])
        tuning = self._tuning
        for given in self._range.launches(planes[0], maps[-4:]) if self._range else ():
            programs = -(-given["count"] // tuning.block)
            yield extremes_in_line, programs, {**given, "block": tuning.block, "num_warps": tuning.warps}
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
                    "least": bounds[0],
                    "highest": bounds[1],
                    "plane_a": plane_a,
                    "plane_b": plane_b,
                    **shared,
                    **({} if tuning.stages is None else {"num_stages": tuning.stages}),
                },
            )

    @property
    def _plane_kind(self) -> torch.dtype:
        """What planes of code values are to kernels."""
        return torch.uint8 if self.dtype == torch.uint8 else torch.int16

    def _map(self, values: int) -> Tensor:
        kind = torch.int8 if self._is_int8 else torch.float16
        return torch.zeros(values, dtype=kind, device=self.device)
