"""NVIDIA GPUs as their driver tells of them: without CUDA, torch or TensorRT, and safe where there is no driver."""

import ctypes
import os
from dataclasses import dataclass
from functools import cache

from sr4k.errors import EngineError, OptionError

# Of the CUDA driver API, cuda.h.
_SUCCESS = 0
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
_NAME_LENGTH = 256

_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. ``capability``: of compute, (9, 0) for Hopper; ``memory``: bytes."""

    index: int
    name: str
    capability: tuple[int, int]
    memory: int


@dataclass(frozen=True, slots=True)
class Driver:
    """What the driver offers. ``cuda``: the newest CUDA that it runs, (13, 0), or ``None`` if there is no driver.

    ``trouble``: why there is a driver and yet no GPU can be used.
    """

    cuda: tuple[int, int] | None = None
    gpus: tuple[Gpu, ...] = ()
    trouble: str | None = None


def only(index: int) -> dict[str, str]:
    """The environment of a process that is to see one GPU alone, the ``index``-th that is visible here, as its first.

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
    """Ask the driver, once. CUDA_VISIBLE_DEVICES counts."""
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
    """The GPU that an engine runs on: the first that is visible.

    Raises:
        EngineError: there is none; says why.
    """
    if found.cuda is None:
        raise EngineError("There is no NVIDIA driver here (libcuda.so.1): install it, or take --engine openvino.")
    if not found.gpus:
        raise EngineError(
            f"The NVIDIA driver shows no GPU ({found.trouble or 'none there'}): see nvidia-smi and "
            "CUDA_VISIBLE_DEVICES, or take --engine openvino."
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
