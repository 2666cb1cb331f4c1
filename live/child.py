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
from typing import Any

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # found before a fork, after which little may be done


def start_child(module: str, settings: Any, *, fds: Sequence[int] = ()) -> "subprocess.Popen[bytes]":
    """Run ``module.main(settings)`` in a process of its own, with these file descriptors open.

    ``settings`` are picklable. The process ends with the thread that calls this, at the latest. The caller closes its
    own copies of ``fds``.
    """
    readable, writable = os.pipe()
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "sr4k.live.child", module, str(readable)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(readable, *fds),
            start_new_session=True,  # Ctrl-C is for the supervisor to decide on
        )
    finally:
        os.close(readable)
    with suppress(BrokenPipeError), os.fdopen(writable, "wb") as pipe:  # a child that died at once is seen to be dead
        pickle.dump((os.getpid(), settings), pipe)
    return child


def die_with_parent() -> None:
    """End this process when the thread that started it ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _main() -> None:
    module, told = sys.argv[1:]
    with os.fdopen(int(told), "rb") as pipe:
        parent, settings = pickle.load(pipe)
    die_with_parent()
    if os.getppid() == parent:
        import_module(module).main(settings)


if __name__ == "__main__":
    _main()
