"""CUDA C++ kernels on the CPU: stand-ins for NVRTC and the driver, which compile with g++ and run thread by thread."""

import shutil
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

_STAND_INS = Path(__file__).parent / "bare_machine" / "cuda" / "bindings"


@cache
def stand_in(name: str) -> Any:
    """Return the stand-in for ``nvrtc`` or ``driver``."""
    spec = spec_from_file_location(f"{name}_on_the_cpu", _STAND_INS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `sr4k.engines.nvrtc` use the stand-ins; skip the test where there is no g++."""
    from sr4k.engines import nvrtc

    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    monkeypatch.setattr(nvrtc, "nvrtc", stand_in("nvrtc"))
    monkeypatch.setattr(nvrtc, "driver", stand_in("driver"))
