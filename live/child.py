"""Helper processes that may die at any moment, and must not outlive whoever started them.

What they are told goes through a pipe, never through their command line: it holds stream keys.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from typing import Any


def start_child(module: str, settings: Any, *, fds: Sequence[int] = ()) -> "subprocess.Popen[bytes]":
    """Run ``python -m module`` with ``settings`` (picklable) for its `told`, and these file descriptors open.

    Its stdout is closed to it and its stderr is ours. The caller closes its own copies of ``fds``.
    """
    readable, writable = os.pipe()
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", module, str(readable)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(readable, *fds),
            start_new_session=True,  # Ctrl-C is for the supervisor to decide on
        )
    finally:
        os.close(readable)
    with os.fdopen(writable, "wb") as pipe:
        pickle.dump((os.getpid(), settings), pipe)
    return child


def told() -> Any:
    """In a child: its settings. From here on it dies with its parent."""
    with os.fdopen(int(sys.argv[1]), "rb") as pipe:
        parent, settings = pickle.load(pipe)
    _die_with(parent)
    return settings


def _die_with(parent: int) -> None:
    """Linux's PR_SET_PDEATHSIG; for a parent that is gone already, at once."""
    import ctypes
    import signal

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
