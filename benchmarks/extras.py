"""What the benchmarks need beside the package, and how to get it."""

from importlib import import_module
from typing import Any

_EXTRAS = {"torch": "torch", "triton": "cuda", "tensorrt": "gpu"}


def required(module: str) -> Any:
    """The module, or the program's end in one line that names the extra."""
    try:
        return import_module(module)
    except ModuleNotFoundError as err:
        name = (err.name or module).partition(".")[0]
        extra = _EXTRAS.get(name, "bench")
        raise SystemExit(f"This program needs {name}, which is not installed: pip install -e '.[{extra}]'") from None
