"""The first that runs in a helper process. It imports little: what a library starts before is not confined."""

import ctypes
import os
import pickle
import signal
from contextlib import suppress
from importlib import import_module
from typing import BinaryIO

from sr4k.live.sandbox import confine

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # found before a fork, after which little may be done


def die_with_parent() -> None:
    """End this process when the thread that started it ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(module: str, told: BinaryIO) -> None:
    """The main function of such a process: what it is told is read to its end."""
    with told:
        parent, programs = pickle.load(told)
        die_with_parent()
        if programs is not None:
            confine(programs)
        settings = pickle.load(told)  # which imports what they are made of
    if os.getppid() == parent:
        with suppress(BrokenPipeError, ConnectionResetError):  # the parent is gone: there is nobody to tell
            import_module(module).main(settings)
