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
        self.threads, self.shared = threads, shared
        self._module = _checked(driver.cuModuleLoadData(cubin))  # unloaded with the context
        self.function = _checked(driver.cuModuleGetFunction(self._module, name.encode()))
        _checked(driver.cuFuncSetAttribute(self.function, _MOST_SHARED, shared))

    def registers(self) -> int:
        """Return the registers of a thread."""
        return int(_checked(driver.cuFuncGetAttribute(_REGISTERS, self.function)))

    def local_bytes(self) -> int:
        """Return the bytes of local memory of a thread, to which registers are spilled."""
        return int(_checked(driver.cuFuncGetAttribute(_LOCAL, self.function)))


class Launch:
    """Launches of a kernel whose arguments are all the same but for the first pointers: they are packed once.

    Args:
        kernel: from here.
        grid: columns and rows of blocks.
        changing: number of pointers that each launch brings.
        pointers: the kernel's next arguments, addresses of device memory, which must last as long as this.
        sizes: its other arguments, 32-bit integers.
    """

    def __init__(
        self, kernel: Kernel, grid: tuple[int, int], changing: int, pointers: Sequence[int], sizes: Sequence[int]
    ) -> None:
        self._addresses = (ctypes.c_void_p * (changing + len(pointers)))(*[0] * changing, *pointers)
        self._sizes = (ctypes.c_int * len(sizes))(*sizes)
        places = [
            ctypes.addressof(self._addresses) + ctypes.sizeof(ctypes.c_void_p) * k for k in range(len(self._addresses))
        ]
        places += [ctypes.addressof(self._sizes) + ctypes.sizeof(ctypes.c_int) * k for k in range(len(sizes))]
        self._places = (ctypes.c_void_p * len(places))(*places)
        self._before = (kernel.function, *grid, 1, kernel.threads, 1, 1, kernel.shared)
        self._arguments = ctypes.addressof(self._places)

    def __call__(self, pointers: Sequence[int], stream: int) -> None:
        """Enqueue one launch.

        Args:
            pointers: the kernel's first arguments, addresses of device memory, which must last until it has run.
            stream: a ``cudaStream_t``; 0 is the default stream.

        Raises:
            EngineError: CUDA fails, now or earlier.
        """
        for k, pointer in enumerate(pointers):
            self._addresses[k] = pointer
        _checked(driver.cuLaunchKernel(*self._before, stream, self._arguments, 0))


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
