"""A luma network that computes a picture in one launch, with its feature maps in shared memory (``one_launch.cu``)."""

import logging
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

import torch
from torch import Tensor

from sr4k.engines.cuda_network import FusedNetwork
from sr4k.engines.cuda_output import Layout, Output
from sr4k.engines.one_launch_weights import NAMES, convs_of, pack
from sr4k.engines.torch_stream import capability_of, stream_of
from sr4k.errors import EngineError
from sr4k.models.folded_network import FoldedNetwork
from sr4k.models.geometry import CELL
from sr4k.models.quantize import QuantizedNetwork

log = logging.getLogger(__name__)

_MAP = (44, 70)
"""Rows and columns of cells of the map that a block holds: just under the 99 KiB that a block may have since Ampere."""

_RESERVED = 1024
"""Bytes of shared memory that CUDA takes for each block."""


class Plan(NamedTuple):
    """Partition of the picture over the GPU.

    Attributes:
        rows, columns: of a tile, in cells.
        warps: warps of 32 threads in a block, which computes one tile.
        blocks: that share a multiprocessor.
        heads, tails, chromas: rounds of the loops of head, tail and chroma whose loads are under way together; 1: as
            the compiler likes.
    """

    rows: int
    columns: int
    warps: int = 4
    blocks: int = 2
    heads: int = 1
    tails: int = 1
    chromas: int = 1

    def shared_bytes(self, convs: int) -> int:
        """Return the shared memory of a block, for a network with so many convolutions between head and tail."""
        positions = (self.rows + 2 * _halo(convs)) * (self.columns + 2 * _halo(convs))
        return 2 * 16 * (-(-positions // 16) * 16 + 68)


def plan_for(convs: int, block: int, multiprocessor: int) -> Plan:
    """Return how a network is computed where a block and a multiprocessor have so many bytes of shared memory.

    Raises:
        ValueError: a block has too little.
    """
    halo = _halo(convs)
    plan = Plan(_MAP[0] - 2 * halo, _MAP[1] - 2 * halo)
    needed = plan.shared_bytes(convs)
    if needed > block:
        raise ValueError(f"it needs {needed} bytes of shared memory, and a block has {block}")
    return plan if 2 * (needed + _RESERVED) <= multiprocessor else plan._replace(warps=8, blocks=1)


def source() -> str:
    """Return the kernel's source."""
    return files("sr4k.engines").joinpath("one_launch.cu").read_text()


def options(plan: Plan, convs: int, layout: Layout, sampling: str, beyond: float | None = None) -> list[str]:
    """Return the compiler's options for one form of the kernel."""
    values: dict[str, int | str] = {
        "BODY": convs, "TH": plan.rows, "TW": plan.columns, "WARPS": plan.warps, "BLOCKS": plan.blocks,
        "HEADS": plan.heads, "TAILS": plan.tails, "CHROMAS": plan.chromas,
        "STEP": 2 if sampling == "444" else 1, "NV12": int(layout == "nv12"),
        "WITHIN": int(beyond is not None), "BEYOND": f"{beyond or 0.0}f",
    }  # fmt: skip
    return [f"-D{name}={value}" for name, value in values.items()]


class OneLaunch:
    """A quantised luma network for YUV planes of one size, which does what `FusedNetwork` does.

    Args:
        network: one of 32 features on cells.
        height, width: size of the frame; even.
        device: the GPU.
        layout: of the output.
        plan: by default the one for this GPU.

    Raises:
        ValueError: the network is another, or doesn't fit into the GPU's shared memory.
        EngineError: CUDA's bindings or NVRTC are missing, or fail.
    """

    precision = "int8"
    dtype = torch.uint8

    def __init__(
        self,
        network: QuantizedNetwork,
        height: int,
        width: int,
        device: torch.device,
        *,
        layout: Layout = "cells",
        plan: Plan | None = None,
    ) -> None:
        convs, colour = convs_of(network), network.network.colour
        assert colour is not None
        self.height, self.width, self.device, self.layout = height, width, device, layout
        self.macs = network.network.macs(height, width)
        packed = pack(network)
        self._weights = [torch.from_numpy(packed[name].view("int32")).to(device) for name in NAMES]
        from sr4k.engines import nvrtc  # here, as it needs a library that the layered kernels do without

        plan = plan or plan_for(convs, *nvrtc.shared_memory(device.index or 0))
        flags = options(plan, convs, layout, colour.sampling, network.network.beyond)
        cubin = nvrtc.compiled(source(), capability_of(device), flags)
        shared = plan.shared_bytes(convs)
        self.kernel = nvrtc.Kernel(cubin, "one_launch", threads=32 * plan.warps, shared=shared)
        self._output = Output(layout, height, width, colour)
        rows, columns = height // CELL, width // CELL
        grid = (-(-columns // plan.columns), -(-rows // plan.rows))
        weights = [tensor.data_ptr() for tensor in self._weights]
        self._launch = nvrtc.Launch(self.kernel, grid, 3, weights, (rows, columns))

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output; see `FusedNetwork.output_shape`."""
        return self._output.shape

    def maps(self) -> list[Tensor]:
        """Return no memory: the maps never leave the multiprocessors."""
        return []

    def run(self, luma: Tensor, chroma: Tensor, out: Tensor, maps: Sequence[Tensor] = ()) -> None:  # noqa: ARG002
        """Enqueue one frame on the current stream; see `FusedNetwork.run`."""
        self._launch([tensor.data_ptr() for tensor in (luma, chroma, out)], stream_of(self.device))


def best_network(
    network: FoldedNetwork | QuantizedNetwork, height: int, width: int, device: torch.device, layout: Layout
) -> FusedNetwork | OneLaunch:
    """Return a network in one launch where that is possible, else in a launch a layer; the log says why."""
    if isinstance(network, QuantizedNetwork) and device.type == "cuda":
        try:
            return OneLaunch(network, height, width, device, layout=layout)
        except (EngineError, ValueError) as err:
            log.info("A launch for each layer, not one a picture: %s", err)
    return FusedNetwork(network, height, width, device, layout=layout)


def _halo(convs: int) -> int:
    """Return how many cells around a tile the network sees."""
    return convs + 1
