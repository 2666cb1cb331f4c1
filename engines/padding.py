"""Decoded pictures in GPU memory, NV12 or P010, as padded planes of code values: by one launch (``padding.cu``)."""

from importlib.resources import files

import torch
from torch import Tensor

from sr4k.engines import nvrtc
from sr4k.engines.torch_stream import capability_of, stream_of
from sr4k.models.geometry import CHROMA_PAD, P010_SHIFT, PAD_AFTER, PAD_BEFORE, padded_chroma, padded_luma

_THREADS = 128


def source() -> str:
    """Return the kernel's source."""
    return files("sr4k.engines").joinpath("padding.cu").read_text()


def options(dtype: torch.dtype) -> list[str]:
    """Return the compiler's options for planes of uint8, NV12, or uint16, P010."""
    values: dict[str, int | str] = {
        "SAMPLE": "uint8_t" if dtype == torch.uint8 else "uint16_t",
        "SHIFT": 0 if dtype == torch.uint8 else P010_SHIFT,
        "BEFORE": PAD_BEFORE,
        "AFTER": PAD_AFTER,
        "AROUND": CHROMA_PAD,
        "THREADS": _THREADS,
    }
    return [f"-D{name}={value}" for name, value in values.items()]


class Padding:
    """Copies decoded planes of one size into new padded ones.

    Args:
        height, width: size of the picture; even.
        dtype: uint8 for NV12, uint16 for P010.
        device: the GPU.

    Raises:
        EngineError: CUDA's bindings or NVRTC are missing, or fail.
    """

    def __init__(self, height: int, width: int, dtype: torch.dtype, device: torch.device) -> None:
        self._size, self._dtype, self._device = (height, width), dtype, device
        self._shapes = padded_luma(height, width), (2, *padded_chroma(height, width))
        cubin = nvrtc.compiled(source(), capability_of(device), options(dtype))
        self._kernel = nvrtc.Kernel(cubin, "pad", threads=_THREADS, shared=0)
        self._launches: dict[tuple[int, int], nvrtc.Launch] = {}  # by pitch, of which a decoder has one or two

    def __call__(self, luma: Tensor, chroma: Tensor) -> tuple[Tensor, Tensor]:
        """Enqueue the copy on the current stream, and return padded luma and chroma.

        Args:
            luma: as decoded, (H, W) or with more rows and columns, each row contiguous.
            chroma: as decoded, U and V in turn, (H/2, W) or more.
        """
        rows, columns = self._shapes[0]
        made = [torch.empty(shape, dtype=self._dtype, device=self._device) for shape in self._shapes]
        pitches = luma.stride(0), chroma.stride(0)
        if pitches not in self._launches:
            grid = (-(-columns // _THREADS), rows + self._shapes[1][1])
            self._launches[pitches] = nvrtc.Launch(self._kernel, grid, 4, [], [*pitches, *self._size])
        self._launches[pitches]([each.data_ptr() for each in (luma, chroma, *made)], stream_of(self._device))
        return made[0], made[1]
