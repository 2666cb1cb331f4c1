"""Queries of the NVIDIA driver, without CUDA's runtime, PyTorch or TensorRT; safe where there is no driver."""

import ctypes
import os
from dataclasses import dataclass
from functools import cache

from sr4k.common.option_names import option
from sr4k.errors import EngineError, OptionError

# Constants of the CUDA driver API, from cuda.h.
_SUCCESS = 0
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
_NAME_LENGTH = 256

_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. ``capability``: compute capability, such as (9, 0) for Hopper; ``memory``: in bytes."""

    index: int
    name: str
    capability: tuple[int, int]
    memory: int


@dataclass(frozen=True, slots=True)
class Driver:
    """State of the driver.

    Attributes:
        cuda: newest version of CUDA that it supports, such as (13, 0); ``None`` if there is no driver.
        gpus: visible GPUs.
        trouble: why there is a driver, but no usable GPU.
    """

    cuda: tuple[int, int] | None = None
    gpus: tuple[Gpu, ...] = ()
    trouble: str | None = None


def only(index: int) -> dict[str, str]:
    """Return environment variables that show a process one GPU alone: the ``index``-th of those visible here.

    Raises:
        OptionError: there is no such GPU.
    """
    count = len(driver().gpus)
    if index >= count:
        there = f"{count} can be used here, numbered from 0" if count else "none can be used here"
        raise OptionError(f"There is no GPU {index}: {there}; sr4k doctor lists them.")
    visible = os.environ.get(_VISIBLE)
    return {_VISIBLE: visible.split(",")[index].strip() if visible else str(index)}


@cache
def driver() -> Driver:
    """Query the driver, once in a process's life; CUDA_VISIBLE_DEVICES applies."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Driver()
    version = ctypes.c_int(0)
    cuda.cuDriverGetVersion(ctypes.byref(version))
    newest = (version.value // 1000, version.value % 1000 // 10)
    count = ctypes.c_int(0)
    for status in (cuda.cuInit(0), cuda.cuDeviceGetCount(ctypes.byref(count))):
        if status != _SUCCESS:
            return Driver(newest, trouble=_error_name(cuda, status))
    return Driver(newest, tuple(_gpu(cuda, index) for index in range(count.value)))


def first_gpu(found: Driver) -> Gpu:
    """Return the GPU that engines run on: the first visible one.

    Raises:
        EngineError: there is none; the message says why.
    """
    if found.cuda is None:
        raise EngineError(
            f"There is no NVIDIA driver here (libcuda.so.1): install it, or use {option('engine', 'openvino')}."
        )
    if not found.gpus:
        raise EngineError(
            f"The NVIDIA driver shows no GPU ({found.trouble or 'none there'}): see nvidia-smi and "
            f"CUDA_VISIBLE_DEVICES, or use {option('engine', 'openvino')}."
        )
    return found.gpus[0]


def _gpu(cuda: ctypes.CDLL, index: int) -> Gpu:
    device = ctypes.c_int(0)
    cuda.cuDeviceGet(ctypes.byref(device), index)
    name = ctypes.create_string_buffer(_NAME_LENGTH)
    cuda.cuDeviceGetName(name, _NAME_LENGTH, device)
    memory = ctypes.c_size_t(0)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    capability = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        value = ctypes.c_int(0)
        cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        capability.append(value.value)
    return Gpu(index, name.value.decode(errors="replace"), (capability[0], capability[1]), memory.value)


def _error_name(cuda: ctypes.CDLL, status: int) -> str:
    name = ctypes.c_char_p()
    cuda.cuGetErrorName(status, ctypes.byref(name))
    return (name.value or b"an unknown error").decode(errors="replace")
