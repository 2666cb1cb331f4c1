"""Backends that run a folded network behind one contract. The front door: `create_engine`."""

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
"""Module and class of each backend, imported only when it is used: its library may be heavy or absent."""

AUTO = "auto"
"""Stands for the best engine that can be used on this machine."""

_FOR_TESTS = {"nearest"}


def check_engine(name: str) -> None:
    """Check an engine's name.

    Raises:
        OptionError: there is no engine of that name; the message lists those that a user may choose.
    """
    if name not in (AUTO, *ENGINES):
        offered = [each for each in (AUTO, *ENGINES) if each not in _FOR_TESTS]
        raise OptionError(f"There is no engine '{name}': use {', '.join(offered[:-1])} or {offered[-1]}.")


def create_engine(name: str, spec: EngineSpec) -> Engine:
    """Return an engine that is not active yet: use it as a context manager.

    Raises:
        OptionError: there is no such engine, or it can't run this spec.
        EngineError: its library is not installed.
    """
    return load_engine(name)(spec)


def load_engine(name: str) -> type[Engine]:
    """Import an engine's library, which may take a while, and return the engine's class.

    Raises:
        OptionError: there is no such engine.
        EngineError: its library is not installed.
    """
    check_engine(name)
    kind: type[Engine] = imported(ENGINES[name])
    return kind


def imported(home: str) -> Any:
    """Import and return ``module:attribute``."""
    module, attribute = home.split(":")
    return getattr(import_module(module), attribute)
