"""Stand-in for the part of CuPy that the prototype needs; it runs the kernel on the CPU, see luma_on_cpu.cpp."""

import ctypes
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

_SUPPORT = Path(__file__).parents[1]


def asarray(array: "np.ndarray[Any, Any]") -> Any:
    return SimpleNamespace(data=SimpleNamespace(ptr=array.ctypes.data), kept=array)


class RawModule:
    def __init__(self, code: str, options: tuple[str, ...]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "luma.cu").write_text(code)
            target = Path(folder) / "luma.so"
            command = [
                "g++",
                "-O2",
                *options,
                "-fPIC",
                "-shared",
                "-Wno-unknown-pragmas",
                f"-I{_SUPPORT}",
                f"-I{folder}",
            ]
            subprocess.run([*command, "-o", target, _SUPPORT / "luma_on_cpu.cpp"], check=True)
            self._library = ctypes.CDLL(str(target))

    def get_function(self, name: str) -> "Kernel":
        assert name == "luma_one_launch"
        return Kernel(self._library)


class Kernel:
    max_dynamic_shared_size_bytes = 0
    num_regs = local_size_bytes = 0

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def __call__(
        self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...], *, shared_mem: int
    ) -> None:
        assert (len(grid), block) == (2, (128,))
        assert shared_mem == self.max_dynamic_shared_size_bytes == self._library.shared_bytes()
        *addresses, pitch, rows, columns = args
        assert all(isinstance(address, np.uint64) for address in addresses)
        assert all(isinstance(size, np.int32) for size in (pitch, rows, columns))
        self._library.run(
            *(ctypes.c_void_p(int(address)) for address in addresses), int(pitch), int(rows), int(columns)
        )
