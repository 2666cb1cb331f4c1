"""Helper processes that may die at any moment, and must not outlive whoever started them.

What they are told goes through a pipe, never through their command line: it holds stream keys.
"""

import ctypes
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO

from sr4k.pipeline.starting import interpreter, safe_path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # found before a fork, after which little may be done

# The current folder is not searched. First of all comes the parent's `sys.path`: it alone may know this package.
_START = """
import os, pickle, sys
told = os.fdopen(int(sys.argv[2]), "rb")
sys.path[:] = pickle.load(told)
from sr4k.live.child import run
run(sys.argv[1], told)
"""


def start_child(module: str, settings: Any, *, fds: Sequence[int] = ()) -> "subprocess.Popen[bytes]":
    """Run ``module.main(settings)`` in a process of its own, with these file descriptors open.

    ``settings`` are picklable. The process ends with the thread that calls this, at the latest. The caller closes its
    own copies of ``fds``.
    """
    readable, writable = os.pipe()
    try:
        with safe_path():
            child = subprocess.Popen(
                [*interpreter(), "-c", _START, module, str(readable)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(readable, *fds),
                start_new_session=True,  # Ctrl-C is for the supervisor to decide on
            )
    finally:
        os.close(readable)
    with suppress(BrokenPipeError), os.fdopen(writable, "wb") as pipe:  # a child that died at once is seen to be dead
        pickle.dump(sys.path, pipe)
        pickle.dump((os.getpid(), settings), pipe)
    return child


def die_with_parent() -> None:
    """End this process when the thread that started it ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(module: str, told: BinaryIO) -> None:
    """The main function of such a process: what it is told is read to its end."""
    with told:
        parent, settings = pickle.load(told)
    die_with_parent()
    if os.getppid() == parent:
        with suppress(BrokenPipeError, ConnectionResetError):  # the parent is gone: there is nobody to tell
            import_module(module).main(settings)
