"""Networks on frames in the memory of an NVIDIA GPU, from padded planes to NV12, for stages that stay on the GPU.

Planes and frames are PyTorch tensors. Work is ordered after what the current stream holds, and later work on that
stream after it.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor

from sr4k.common.option_names import option
from sr4k.engines import EngineSpec, imported
from sr4k.engines.choose import first_to_start
from sr4k.errors import EngineError, OptionError, Sr4kError
from sr4k.models.geometry import CELL, CELL_OUT, MARGIN

_NETWORKS: dict[str, str] = {
    "cuda": "sr4k.engines.cuda:CudaOnGpu",
    "tensorrt": "sr4k.engines.tensorrt_on_gpu:TensorRtOnGpu",
}
"""Class by engine, imported only when the engine is used."""


class GpuNetwork(Protocol):
    """A network that is ready to run on frames of one size."""

    def run(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Enqueue one frame and return its NV12 (3H, 2W), uint8, on the GPU.

        Args:
            luma, chroma: padded planes, uint8, on the GPU, with the shapes of ``spec.input_shapes``.
        """

    def describe(self) -> dict[str, Any]:
        """Return the same as `sr4k.engines.Engine.describe`."""


def open_on_gpu(names: Sequence[str], spec: EngineSpec) -> GpuNetwork:
    """Return the network of the first of these engines that supports frames in GPU memory and starts.

    Args:
        names: engines to try, in order.
        spec: of YUV planes.

    Raises:
        OptionError: none of them supports frames in GPU memory.
        EngineError: the last one that does can't start.
    """
    fit = [name for name in names if name in _NETWORKS]
    if not fit:
        raise OptionError(f"Pictures stay on the GPU with {option('engine')} {' or '.join(_NETWORKS)} alone.")
    network: GpuNetwork
    _, network = first_to_start(fit, lambda name: imported(_NETWORKS[name])(spec))
    return network


class _GpuErrors:
    """What `gpu_errors` returns; a class costs half of what a generator does, and each frame passes several."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, RuntimeError) or isinstance(error, Sr4kError):
            return
        if isinstance(error, torch.cuda.OutOfMemoryError):
            raise EngineError("The GPU has too little memory left: close what else uses it.") from error
        raise EngineError(f"The GPU failed: {str(error).strip().partition(chr(10))[0]}") from error


_errors = _GpuErrors()


def gpu_errors() -> AbstractContextManager[None]:
    """Turn errors of CUDA, as PyTorch raises them, into EngineError.

    An error of a kernel shows in some later call, and all calls after it fail as well.

    Raises:
        EngineError: CUDA failed, or the GPU's memory is full.
    """
    return _errors


def nv12_of(cells: Tensor) -> Tensor:
    """Cut the margins off cells (H/2 + 10, W/2 + 10, 24) and shuffle them to one NV12 frame (3H, 2W).

    Unlike `sr4k.stages.reconstruct.shuffle` it works on tensors and interleaves the samples of U and V.
    """
    inner = cells[MARGIN:-MARGIN, MARGIN:-MARGIN]
    rows, columns = inner.shape[:2]
    luma, chroma = inner[..., : CELL_OUT**2], inner[..., CELL_OUT**2 :]
    out = torch.empty(((CELL_OUT + CELL) * rows, CELL_OUT * columns), dtype=cells.dtype, device=cells.device)
    y, uv = out[: CELL_OUT * rows], out[CELL_OUT * rows :]
    y.view(rows, CELL_OUT, columns, CELL_OUT).copy_(luma.reshape(rows, columns, CELL_OUT, CELL_OUT).permute(0, 2, 1, 3))
    uv.view(rows, CELL, columns, CELL, 2).copy_(chroma.reshape(rows, columns, 2, CELL, CELL).permute(0, 3, 1, 4, 2))
    return out
