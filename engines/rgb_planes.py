"""RGB in GPU memory as the planes that networks read, and their NV12 as RGB: a launch each (``rgb_planes.cu``)."""

from importlib.resources import files

import numpy as np
import torch
from torch import Tensor

from sr4k.engines import nvrtc
from sr4k.engines.torch_stream import capability_of
from sr4k.models.colour import Colour, Samples, rgb_from_yuv, yuv_from_rgb
from sr4k.models.geometry import PAD_AFTER, PAD_BEFORE, SCALE, padded_chroma, padded_luma

COLOUR = Colour("bt601", full_range=True, chroma_location="center", sampling="444")
"""The luma of BT.601 is the one that the networks were trained on; centred chroma is enlarged by plain bilinear."""

_THREADS = 128


def source() -> str:
    """Return the kernels' source, which needs no options."""
    values: dict[str, int | str] = {
        "PLANES": _listed(*yuv_from_rgb(COLOUR)),
        "RGB": _listed(*rgb_from_yuv(COLOUR)),
        "BEFORE": PAD_BEFORE,
        "AFTER": PAD_AFTER,
        "THREADS": _THREADS,
    }
    # No options of the compiler's, which takes the commas apart.
    defined = "".join(f"#define {name} {value}\n" for name, value in values.items())
    return defined + files("sr4k.engines").joinpath("rgb_planes.cu").read_text()


class RgbPlanes:
    """Makes padded planes of RGB pictures of one size, and RGB of the NV12 that a network makes of them.

    Args:
        height, width: size of the pictures.
        device: the GPU.

    Raises:
        EngineError: CUDA's bindings or NVRTC are missing, or fail.
    """

    def __init__(self, height: int, width: int, device: torch.device) -> None:
        self._size = height, width
        even = height + height % 2, width + width % 2
        self._luma = torch.empty(padded_luma(*even), dtype=torch.uint8, device=device)
        self._chroma = torch.empty((2, *padded_chroma(*even, "444")), dtype=torch.uint8, device=device)
        cubin = nvrtc.compiled(source(), capability_of(device))
        self._reading, writing = (
            nvrtc.Kernel(cubin, name, threads=_THREADS, shared=0) for name in ("planes_of_rgb", "rgb_of_nv12")
        )
        self._steps: list[int] = []
        self._write = nvrtc.Launch(writing, (-(-width // _THREADS), height), 2, [], self._size)

    def planes(self, batch: Tensor, index: int, stream: int) -> tuple[Tensor, Tensor]:
        """Enqueue the conversion of a picture; the planes are the same tensors for each picture.

        Args:
            batch: pictures (N, 3, H, W), uint8, with any strides.
            index: of the picture.
            stream: a ``cudaStream_t``; 0 is the default stream.

        Returns:
            Padded luma and chroma, uint8, of 4:4:4 and full range; see `sr4k.engines.on_gpu.GpuNetwork.run`.
        """
        to_picture, to_plane, *steps = batch.stride()
        if steps != self._steps:
            self._steps, self._read = steps, self._reading_by(steps)
        red = batch.data_ptr() + index * to_picture
        self._read((red, red + to_plane, red + 2 * to_plane), stream)
        return self._luma, self._chroma

    def rgb(self, nv12: Tensor, made: Tensor, index: int, stream: int) -> None:
        """Enqueue the conversion of a network's NV12 to a picture of ``made`` (N, 3, 2H, 2W), uint8, contiguous."""
        place = made.data_ptr() + index * 3 * SCALE**2 * self._size[0] * self._size[1]
        self._write((nv12.data_ptr(), place), stream)

    def _reading_by(self, steps: list[int]) -> nvrtc.Launch:
        rows, columns = self._luma.shape
        planes = [self._luma.data_ptr(), self._chroma.data_ptr()]
        return nvrtc.Launch(self._reading, (-(-columns // _THREADS), rows), 3, planes, (*steps, *self._size))


def _listed(matrix: Samples, offset: Samples) -> str:
    rows = np.column_stack([matrix, offset]).astype(np.float32)
    return ",".join(f"{float(value).hex()}f" for value in rows.ravel())
