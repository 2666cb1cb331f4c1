"""Import optional dependencies of the benchmarks, or say how to install them."""

from importlib import import_module
from typing import Any

_EXTRAS = {"torch": "torch", "triton": "cuda", "tensorrt": "gpu"}


def required(module: str) -> Any:
    """Import and return a module.

    Raises:
        SystemExit: It is not installed; the message names the extra that brings it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as err:
        name = (err.name or module).partition(".")[0]
        what = f"-e '.[{_EXTRAS.get(name, 'bench')}]'"
        raise SystemExit(f"This program needs {name}, which is not installed: pip install {what}") from None
