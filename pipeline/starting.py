"""Start functions in processes of their own, with arguments that may hold pipes, sockets and shared memory."""

import io
import pickle
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, BinaryIO

from sr4k.pipeline.channel import Memory
from sr4k.pipeline.spawning import received, spawn

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
"""Signals that are sent to the whole process group, of which the process that started the others decides."""


def start_process(name: str, function: Callable[..., None], *args: Any) -> "subprocess.Popen[bytes]":
    """Call a function in a process of its own, which ends with the calling thread at the latest.

    The process ignores `SIGNALS`. It imports no main module, so that neither the function nor an argument may be of a
    class that is defined there.

    Args:
        name: for lists of processes.
        function: found there by its module and name.
        args: anything that can be pickled, and pipes, sockets and `Memory`, which the process inherits.

    Raises:
        OSError: the process can't be started.
        pickle.PicklingError: an argument can't be sent.
    """
    work, inherited = packed(function, *args)
    with deaf():
        process, pipe = spawn(__name__, name, fds=inherited)
    with suppress(BrokenPipeError), pipe:  # the caller notices a process that died at once
        pipe.write(work)
    return process


def packed(function: Callable[..., None], *args: Any) -> tuple[bytes, list[int]]:
    """Pickle a function and its arguments; return the descriptors that they need beside them.

    Raises:
        pickle.PicklingError: an argument can't be sent.
    """
    work = io.BytesIO()
    pickler = _Pickler(work)
    pickler.dump((function, args))
    return work.getvalue(), pickler.inherited


def run(_name: str, pipe: BinaryIO) -> None:
    """Call the function that comes through the pipe; what the process starts with."""
    ignore_signals()
    with pipe:
        function, args = received(pipe)
    function(*args)


def ignore_signals() -> None:
    """Ignore `SIGNALS` in this process, and block none."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class _Pickler(pickle.Pickler):
    """Replaces pipes, sockets and memory by their descriptors, which a process inherits under the same numbers."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.inherited: list[int] = []

    def reducer_override(self, item: Any) -> Any:
        if isinstance(item, Connection):
            return Connection, (self._inherited(item), item.readable, item.writable)
        if isinstance(item, socket.socket):
            return _socket, (self._inherited(item),)
        if isinstance(item, Memory):
            return Memory, (self._inherited(item),)
        if getattr(item, "__module__", None) == "__main__":
            name = getattr(item, "__qualname__", type(item).__qualname__)
            raise pickle.PicklingError(f"{name} is of the main module, which workers don't import: move it to another")
        return NotImplemented

    def _inherited(self, end: "Connection | socket.socket | Memory") -> int:
        self.inherited.append(end.fileno())
        return end.fileno()


def _socket(descriptor: int) -> socket.socket:
    return socket.socket(fileno=descriptor)


@contextmanager
def deaf() -> Iterator[None]:
    """Block `SIGNALS` in processes that are started inside, until they have set them to be ignored."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
