"""Stand-in for the part of CUDA's driver that the engines need: it runs on the CPU what the stand-in NVRTC compiled."""

import ctypes
import tempfile
from enum import IntEnum
from pathlib import Path
from typing import Any


class CUresult(IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_ILLEGAL_ADDRESS = 700


class CUfunction_attribute(IntEnum):  # noqa: N801
    CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES = 3
    CU_FUNC_ATTRIBUTE_NUM_REGS = 4
    CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8


class CUdevice_attribute(IntEnum):  # noqa: N801
    CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR = 81
    CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97


_KINDS: dict[str, Any] = {"p": ctypes.c_void_p, "i": ctypes.c_int}
"""Of a kernel's arguments, by the letters in which what runs it tells them."""

_HOPPER = {81: 228 << 10, 97: 227 << 10}


class _Function:
    """A kernel of a compiled source, with the kinds of its arguments."""

    def __init__(self, module: Any, name: str) -> None:
        self.shared_bytes, self.threads, self.run = module.shared_bytes, module.threads, module[f"{name}_run"]
        told = module[f"{name}_kinds"]
        told.restype = ctypes.c_char_p
        self.kinds = [_KINDS[letter] for letter in told().decode()]


def cuDeviceGetAttribute(attribute: int, device: int) -> tuple[Any, ...]:  # noqa: N802
    assert device == 0
    return CUresult.CUDA_SUCCESS, _HOPPER[attribute]


def cuModuleLoadData(image: bytes) -> tuple[Any, ...]:  # noqa: N802
    with tempfile.NamedTemporaryFile(suffix=".so") as file:
        Path(file.name).write_bytes(image)
        return CUresult.CUDA_SUCCESS, ctypes.CDLL(file.name)


def cuModuleGetFunction(module: Any, name: bytes) -> tuple[Any, ...]:  # noqa: N802
    return CUresult.CUDA_SUCCESS, _Function(module, name.decode())


def cuFuncSetAttribute(function: Any, attribute: int, value: int) -> tuple[Any, ...]:  # noqa: N802
    assert attribute == CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    assert value == function.shared_bytes()
    return (CUresult.CUDA_SUCCESS,)


def cuFuncGetAttribute(attribute: int, function: Any) -> tuple[Any, ...]:  # noqa: N802, ARG001
    return CUresult.CUDA_SUCCESS, 0


def cuLaunchKernel(  # noqa: N802
    function: Any, columns: int, rows: int, deep: int, threads: int, y: int, z: int, shared: int, stream: int,
    arguments: int, extra: int,
) -> tuple[Any, ...]:  # fmt: skip
    assert (deep, y, z, stream, extra) == (1, 1, 1, 0, 0)
    assert shared == function.shared_bytes() and threads == function.threads()
    kinds = function.kinds
    places = (ctypes.c_void_p * len(kinds)).from_address(arguments)
    values = [kind.from_address(place) for kind, place in zip(kinds, places, strict=True)]
    function.run(columns, rows, *values)
    return (CUresult.CUDA_SUCCESS,)
