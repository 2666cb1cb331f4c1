"""Lets a process that was forked run networks with OpenVINO.

OpenVINO keeps the threads of networks that were freed, for later ones with the same settings. After a fork these don't
exist in the child, where the next network would wait for them for ever. So small networks take all threads that may be
idle while the process is forked: in the parent they give them back at once, in the child never.
"""

import ctypes
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from sr4k.engines.openvino_library import ops, ov, shared_core


class _Use:
    """Networks with the same settings: those that exist, and the most that did at any time, whose threads are kept."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = dict(config)
        self.models: WeakSet[ov.CompiledModel] = WeakSet()
        self.most = 0

    def add(self, model: "ov.CompiledModel") -> None:
        self.models.add(model)
        self.most = max(self.most, len(self.models))

    @property
    def idle(self) -> int:
        return self.most - len(self.models)


_using = threading.RLock()  # a signal may fork
_uses: dict[str, _Use] = {}
_held: list[Any] = []


def remember(model: "ov.CompiledModel", config: Mapping[str, Any]) -> None:
    """Remember a network that was compiled for the CPU; its requests must not outlive it."""
    with _using:
        _uses.setdefault(repr(sorted(config.items())), _Use(config)).add(model)


def _hold() -> None:
    _using.acquire()
    with suppress(RuntimeError):
        for use in _uses.values():
            _held.extend(shared_core().compile_model(_small(), "CPU", use.config) for _ in range(use.idle))


def _give_back() -> None:
    _held.clear()
    _using.release()


def _abandon() -> None:
    for model in _held:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(model))  # freed, even at the end, it would wait for its threads
    _held.clear()
    _uses.clear()
    _using.release()


def _small() -> "ov.Model":
    x = ops.parameter([1], ov.Type.f32)
    return ov.Model([ops.relu(x)], [x])


os.register_at_fork(before=_hold, after_in_parent=_give_back, after_in_child=_abandon)
