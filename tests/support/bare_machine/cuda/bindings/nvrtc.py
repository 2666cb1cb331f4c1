"""Stand-in for the part of NVRTC that the engines need: g++ compiles the kernel for the CPU."""

import subprocess
import tempfile
from enum import IntEnum
from pathlib import Path
from typing import Any

_SUPPORT = Path(__file__).parents[3]

_RUNNERS = {
    b" pad(": "padding_on_cpu.cpp",
    b" planes_of_rgb(": "rgb_planes_on_cpu.cpp",
    b"": "one_launch_on_cpu.cpp",
}
"""What runs a source on the CPU, by a kernel in it."""


class nvrtcResult(IntEnum):  # noqa: N801
    NVRTC_SUCCESS = 0
    NVRTC_ERROR_COMPILATION = 6


class _Program:
    def __init__(self, source: bytes) -> None:
        self.source, self.cubin, self.log = source, b"", b""


def nvrtcCreateProgram(source: bytes, *_: Any) -> tuple[Any, ...]:  # noqa: N802
    return nvrtcResult.NVRTC_SUCCESS, _Program(source)


def nvrtcDestroyProgram(program: _Program) -> tuple[Any, ...]:  # noqa: N802
    program.source = b""
    return (nvrtcResult.NVRTC_SUCCESS,)


def nvrtcCompileProgram(program: _Program, count: int, flags: list[bytes]) -> tuple[Any, ...]:  # noqa: N802
    assert len(flags) == count and flags[0].startswith(b"-arch=sm_")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "kernel.so"
        (Path(folder) / "kernel.cu").write_bytes(program.source)
        command = ["g++", "-O2", "-fPIC", "-shared", "-ffp-contract=off", "-Wno-unknown-pragmas"]
        command += [f"-I{_SUPPORT}", f"-I{folder}", *(flag.decode() for flag in flags[1:])]
        runner = next(file for kernel, file in _RUNNERS.items() if kernel in program.source)
        done = subprocess.run([*command, "-o", target, _SUPPORT / runner], capture_output=True, check=False)
        program.log = done.stderr
        if done.returncode:
            return (nvrtcResult.NVRTC_ERROR_COMPILATION,)
        program.cubin = target.read_bytes()
    return (nvrtcResult.NVRTC_SUCCESS,)


def _fill(buffer: bytes, values: bytes) -> tuple[Any, ...]:
    """Write into ``bytes``, as the bindings do."""
    import ctypes

    assert len(buffer) == len(values)
    ctypes.memmove(buffer, values, len(values))
    return (nvrtcResult.NVRTC_SUCCESS,)


def nvrtcGetCUBINSize(program: _Program) -> tuple[Any, ...]:  # noqa: N802
    return nvrtcResult.NVRTC_SUCCESS, len(program.cubin)


def nvrtcGetCUBIN(program: _Program, buffer: bytes) -> tuple[Any, ...]:  # noqa: N802
    return _fill(buffer, program.cubin)


def nvrtcGetProgramLogSize(program: _Program) -> tuple[Any, ...]:  # noqa: N802
    return nvrtcResult.NVRTC_SUCCESS, len(program.log)


def nvrtcGetProgramLog(program: _Program, buffer: bytes) -> tuple[Any, ...]:  # noqa: N802
    return _fill(buffer, program.log)
