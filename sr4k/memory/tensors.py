"""Tensors of any library that has DLPack, as pictures: (N, C, H, W) in host memory."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from sr4k.errors import OptionError
from sr4k.memory.given import Array, Given, packed
from sr4k.pipeline import PlaneSpec

_CPU = 1
"""DLPack's number of host memory."""


class Batch:
    """A batch of pictures, and the results, written where the caller gets them.

    Args:
        tensor: (N, 3, H, W) of RGB or (N, 1, H, W) of gray: uint8, or uint16 for more than 8 bits.
        bits: depth of uint16; see `sr4k.memory.given.packed`.

    Raises:
        OptionError: it is no such tensor.
    """

    def __init__(self, tensor: Any, bits: int | None = None) -> None:
        self._tensor, self._bits = tensor, bits
        self._array = _in_host_memory(tensor)
        shape = self._array.shape
        if len(shape) != 4 or shape[1] not in (1, 3):
            hint = "leave alpha out, x[:, :3]" if len(shape) == 4 and shape[1] == 4 else "pass (N, 3, H, W)"
            raise OptionError(f"A tensor of the shape {shape} is no batch of RGB pictures: {hint}.")
        if not self._array.size:
            raise OptionError(f"A tensor of the shape {shape} is empty.")
        self._made: Array | None = None

    def pictures(self) -> Iterator[Given]:
        """Yield the pictures of the batch."""
        is_gray = self._array.shape[1] == 1
        for index, planes in enumerate(self._array):
            given = packed(planes[0] if is_gray else np.moveaxis(planes, 0, 2), bits=self._bits)
            yield given if is_gray else replace(given, memory=partial(self._memory, index))

    def keep(self, index: int, result: Array) -> None:
        """Put a result in its place, unless it has been written there."""
        if self._array.shape[1] == 1:
            self._memory(index, PlaneSpec((*result.shape, 1), str(result.dtype)))[..., 0] = result

    def finished(self) -> Any:
        """Return all results: a tensor of PyTorch's on the device of the batch, or else an array."""
        assert self._made is not None
        if not is_torch(self._tensor):
            return self._made
        return sys.modules["torch"].from_numpy(self._made).to(self._tensor.device)

    def _memory(self, index: int, spec: PlaneSpec) -> Array:
        """Return the place of a result as (H, W, C)."""
        height, width, channels = spec.shape
        if self._made is None:
            self._made = np.empty((len(self._array), channels, height, width), spec.dtype)
        return np.moveaxis(self._made[index], 0, 2)


def is_torch(tensor: object) -> bool:
    """Whether it is a tensor of PyTorch's, which is imported if it is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(tensor, torch.Tensor)


def _in_host_memory(tensor: Any) -> Array:
    """Return a tensor as an array: without a copy if it is in host memory."""
    if not hasattr(tensor, "__dlpack__"):
        raise OptionError(f"A {type(tensor).__qualname__} has no DLPack: pass a tensor, or a NumPy array.")
    try:
        if is_torch(tensor):
            tensor = tensor.detach().cpu()
        if tensor.__dlpack_device__()[0] == _CPU:
            return np.from_dlpack(tensor)
        return np.from_dlpack(tensor, device="cpu")
    except (BufferError, RuntimeError, TypeError, ValueError) as err:
        raise OptionError(f"This tensor can't be read by DLPack: {' '.join(str(err).split()).rstrip('.!')}.") from err
