"""Backends that run a folded network behind one contract. The front door: `create_engine`."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from sr4k.engines.base import Engine, EngineSpec
from sr4k.errors import OptionError

__all__ = ["AUTO", "ENGINES", "Engine", "EngineSpec", "check_engine", "create_engine", "imported", "load_engine"]

ENGINES: dict[str, str] = {
    "cuda": "sr4k.engines.cuda:CudaEngine",
    "nearest": "sr4k.engines.nearest:NearestEngine",
    "openvino": "sr4k.engines.openvino:OpenVinoEngine",
    "tensorrt": "sr4k.engines.tensorrt:TensorRtEngine",
    "torch": "sr4k.engines.torch:TorchEngine",
}
"""Where each backend lives: its library is imported only when it is asked for."""

AUTO = "auto"
"""In place of an engine's name: the best that can be used here."""

_FOR_TESTS = {"nearest"}


def check_engine(name: str) -> None:
    """See to it that there is such an engine.

    Raises:
        OptionError: there is none; names those that a user may choose.
    """
    if name not in (AUTO, *ENGINES):
        offered = [each for each in (AUTO, *ENGINES) if each not in _FOR_TESTS]
        raise OptionError(f"There is no engine '{name}': use {', '.join(offered[:-1])} or {offered[-1]}.")


def create_engine(name: str, spec: EngineSpec) -> Engine:
    """An engine, not yet active: use it as a context manager.

    Raises:
        OptionError: no such engine.
        EngineError: its library is not installed.
    """
    return load_engine(name)(spec)


def load_engine(name: str) -> Callable[[EngineSpec], Engine]:
    """Import an engine's library, which may take a while.

    Raises:
        OptionError: no such engine.
        EngineError: its library is not installed.
    """
    check_engine(name)
    make: Callable[[EngineSpec], Engine] = imported(ENGINES[name])
    return make


def imported(home: str) -> Any:
    """What lives at ``module:attribute``."""
    module, attribute = home.split(":")
    return getattr(import_module(module), attribute)
