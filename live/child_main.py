"""Entry point of helper processes. It imports little: threads that libraries start before `confine` stay free."""

import ctypes
import pickle
import signal
from contextlib import suppress
from importlib import import_module
from typing import BinaryIO

from sr4k.live.sandbox import confine

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # loaded before a fork, after which little is safe


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(module: str, pipe: BinaryIO) -> None:
    """Read settings from the pipe, confine the process if asked to, and call ``module.main``."""
    try:
        with pipe:
            programs = pickle.load(pipe)
            if programs is not None:
                confine(programs)
            settings = pickle.load(pipe)  # imports the modules of their classes
    except EOFError:  # the parent was stopped before it had sent all
        return
    with suppress(BrokenPipeError, ConnectionResetError):  # the parent is gone: nobody reads the result
        import_module(module).main(settings)
