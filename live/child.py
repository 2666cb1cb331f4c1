"""Helper processes that may die at any moment, and must not outlive whoever started them.

What they are told goes through a pipe, never through their command line: it holds stream keys. `sr4k.live.child_main`
is the other end of it.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sr4k.pipeline.spawning import interpreter, safe_path

# The current folder is not searched. First of all comes the parent's `sys.path`: it alone may know this package.
_START = """
import os, pickle, sys
told = os.fdopen(int(sys.argv[2]), "rb")
sys.path[:] = pickle.load(told)
from sr4k.live.child_main import run
run(sys.argv[1], told)
"""


def start_child(
    module: str, settings: Any, *, fds: Sequence[int] = (), programs: Sequence[str] | None = None
) -> "subprocess.Popen[bytes]":
    """Run ``module.main(settings)`` in a process of its own, with these file descriptors open.

    ``settings`` are picklable. The process ends with the thread that calls this, at the latest. The caller closes its
    own copies of ``fds``. With ``programs``, it is confined to running these before it imports anything: see
    `sr4k.live.sandbox.confine`.
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
        pickle.dump((os.getpid(), programs), pipe)
        pickle.dump(settings, pipe)
    return child
