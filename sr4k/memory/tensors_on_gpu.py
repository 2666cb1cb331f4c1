"""Tensors in the memory of an NVIDIA GPU, upscaled there: nothing passes through host memory.

The networks on a GPU work on planes, so RGB becomes full-range Y'CbCr of 8 bits and 4:4:4 before them, and their 4:2:0
becomes RGB again: results are close to those of host memory, and not equal to them.
"""

import threading
from collections import OrderedDict
from contextlib import suppress

import torch
from torch import Tensor

from sr4k.configs import EnginePreset
from sr4k.engines import EngineSpec
from sr4k.engines.choose import GPU_ENGINES, engines_for
from sr4k.engines.on_gpu import gpu_errors, open_on_gpu
from sr4k.engines.torch_stream import InTurn
from sr4k.models.catalogue import ARCHITECTURES
from sr4k.models.geometry import SCALE


def takes(batch: Tensor, engine: EnginePreset) -> bool:
    """Whether a batch can stay on the GPU: it is there, it is RGB of 8 bits, and the engine runs on a GPU."""
    is_ours = engine.model in ARCHITECTURES
    return batch.is_cuda and is_fit(batch) and is_ours and engines_for(engine.name, engine.device)[0] in GPU_ENGINES


def is_fit(batch: Tensor) -> bool:
    """Whether it is a batch of RGB pictures of 8 bits."""
    return batch.ndim == 4 and batch.shape[1] == 3 and batch.dtype == torch.uint8 and batch.numel() > 0


class TensorsOnGpu:
    """Upscales tensors on an NVIDIA GPU, with a network for each of the last few sizes. One thread at a time is served.

    Args:
        engine: which network runs, and how.
        kept: number of sizes.
    """

    def __init__(self, engine: EnginePreset, kept: int) -> None:
        self._engine, self._kept = engine, kept
        self._sizes: OrderedDict[tuple[int, int, torch.device], _OfOneSize] = OrderedDict()
        self._using = threading.Lock()

    def __call__(self, batch: Tensor) -> Tensor:
        """Enqueue the work on the current stream and return its result, which no later call overwrites.

        Args:
            batch: pictures (N, 3, H, W), uint8, on a GPU, with any strides.

        Returns:
            Pictures (N, 3, 2H, 2W), uint8, contiguous, on the same GPU.

        Raises:
            EngineError: no network starts, CUDA's bindings or NVRTC are missing, or the GPU fails.
        """
        with self._using, gpu_errors(), torch.cuda.device_of(batch):  # type: ignore[no-untyped-call]
            return self._for(batch)(batch)

    def close(self) -> None:
        """Free the networks."""
        with self._using:
            while self._sizes:
                self._free_oldest()

    def _for(self, batch: Tensor) -> "_OfOneSize":
        height, width = batch.shape[2:]
        key = height, width, batch.device
        if key not in self._sizes:
            self._sizes[key] = _OfOneSize(self._engine, *key)
        self._sizes.move_to_end(key)
        while len(self._sizes) > self._kept:
            self._free_oldest()
        return self._sizes[key]

    def _free_oldest(self) -> None:
        _, oldest = self._sizes.popitem(last=False)
        with suppress(RuntimeError):  # which the next call meets too
            oldest.in_turn.wait()  # else another stream could take memory that is still in use


class _OfOneSize:
    """A network between two launches that convert colours. Pictures share its memory, and results have their own."""

    def __init__(self, engine: EnginePreset, height: int, width: int, device: torch.device) -> None:
        from sr4k.engines.rgb_planes import COLOUR, RgbPlanes  # here, as tensors in host memory need no such library

        spec = EngineSpec(
            model=engine.model,
            height=height + height % 2,
            width=width + width % 2,
            colour=COLOUR,
            precision=engine.precision,
            weights=engine.weights,
            sharpness=engine.sharpness,
        )
        self._network = open_on_gpu(engines_for(engine.name, engine.device), spec)
        self._convert = RgbPlanes(height, width, device)
        self.in_turn = InTurn(device)

    def __call__(self, batch: Tensor) -> Tensor:
        number, planes, height, width = batch.shape
        made = torch.empty((number, planes, SCALE * height, SCALE * width), dtype=batch.dtype, device=batch.device)
        with self.in_turn as stream:
            for index in range(number):
                nv12 = self._network.run(*self._convert.planes(batch, index, stream))
                self._convert.rgb(nv12, made, index, stream)
        return made
