"""Kernels in CUDA C++, compiled at run time by NVRTC and launched by the driver, through NVIDIA's Python bindings.

PyTorch's wheels for CUDA bring NVRTC itself. All calls need a current CUDA context, as PyTorch makes it.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

from sr4k.errors import EngineError

try:
    from cuda.bindings import driver, nvrtc
except ImportError as err:
    raise EngineError("CUDA's bindings are not installed: pip install 'sr4k-stream[cuda]'.") from err

_MOST_SHARED = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_REGISTERS = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_NUM_REGS
_LOCAL = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES


def compiled(source: str, capability: tuple[int, int], options: Sequence[str] = ()) -> bytes:
    """Compile CUDA C++ for GPUs of one compute capability and return the cubin. It needs no GPU.

    Raises:
        EngineError: NVRTC can't be loaded or is too old for the GPU, or the source is wrong; with NVRTC's own reason.
    """
    flags = [f"-arch=sm_{capability[0]}{capability[1]}", "-std=c++17", *options]
    try:
        program = _checked(nvrtc.nvrtcCreateProgram(source.encode(), b"kernel.cu", 0, [], []))
    except RuntimeError as err:  # the bindings find no library
        raise EngineError(f"NVRTC can't be loaded: {err}") from err
    try:
        status, *_ = nvrtc.nvrtcCompileProgram(program, len(flags), [flag.encode() for flag in flags])
        if int(status) != 0:
            raise EngineError(f"NVRTC: {_log_of(program) or status.name}")
        cubin = b"\0" * int(_checked(nvrtc.nvrtcGetCUBINSize(program)))
        _checked(nvrtc.nvrtcGetCUBIN(program, cubin))
        return cubin
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def shared_memory(device: int) -> tuple[int, int]:
    """Return the bytes of shared memory that a block may have, and those of a multiprocessor.

    Raises:
        EngineError: CUDA fails.
    """
    of = driver.CUdevice_attribute
    names = (
        of.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
        of.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
    )
    block, multiprocessor = (int(_checked(driver.cuDeviceGetAttribute(name, device))) for name in names)
    return block, multiprocessor


class Kernel:
    """A kernel that is loaded into the current context, for blocks of one size.

    Args:
        cubin: from `compiled`.
        name: of the function, which is ``extern "C"``.
        threads: of a block.
        shared: bytes of dynamic shared memory of a block.

    Raises:
        EngineError: the driver refuses it.
    """

    def __init__(self, cubin: bytes, name: str, *, threads: int, shared: int) -> None:
        self._threads, self._shared = threads, shared
        self._module = _checked(driver.cuModuleLoadData(cubin))  # unloaded with the context
        self._function = _checked(driver.cuModuleGetFunction(self._module, name.encode()))
        _checked(driver.cuFuncSetAttribute(self._function, _MOST_SHARED, shared))

    def registers(self) -> int:
        """Return the registers of a thread."""
        return int(_checked(driver.cuFuncGetAttribute(_REGISTERS, self._function)))

    def local_bytes(self) -> int:
        """Return the bytes of local memory of a thread, to which registers are spilled."""
        return int(_checked(driver.cuFuncGetAttribute(_LOCAL, self._function)))

    def launch(self, grid: tuple[int, int], pointers: Sequence[int], sizes: Sequence[int], stream: int) -> None:
        """Enqueue one launch.

        Args:
            grid: columns and rows of blocks.
            pointers: the kernel's first arguments, addresses of device memory, which must last until it has run.
            sizes: its other arguments, 32-bit integers.
            stream: a ``cudaStream_t``; 0 is the default stream.

        Raises:
            EngineError: CUDA fails, now or earlier.
        """
        kinds = (ctypes.c_void_p,) * len(pointers) + (ctypes.c_int,) * len(sizes)
        arguments = ((*pointers, *sizes), kinds)
        block, shared = (self._threads, 1, 1), self._shared
        _checked(driver.cuLaunchKernel(self._function, *grid, 1, *block, shared, stream, arguments, 0))


def _log_of(program: Any) -> str:
    log = b"\0" * int(_checked(nvrtc.nvrtcGetProgramLogSize(program)))
    nvrtc.nvrtcGetProgramLog(program, log)
    return " ".join(log.decode(errors="replace").replace("\0", "").split())[:600]


def _checked(result: tuple[Any, ...]) -> Any:
    """Return the value of a call, or ``None`` if it has none; raise EngineError if it failed."""
    status, *values = result
    if int(status) != 0:
        raise EngineError(f"CUDA: {status.name}.")
    return values[0] if values else None
