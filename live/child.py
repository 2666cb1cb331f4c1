"""Starting helper processes, which may die at any moment and never outlive the thread that started them.

Their settings hold stream keys, so they are sent through a pipe and never by the command line. `sr4k.live.child_main`
reads the other end of that pipe.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sr4k.pipeline.spawning import interpreter, safe_path

# The current folder is not searched. The child sets the parent's `sys.path` first: only it may lead to this package.
_START = """
import os, pickle, sys
pipe = os.fdopen(int(sys.argv[2]), "rb")
sys.path[:] = pickle.load(pipe)
from sr4k.live.child_main import run
run(sys.argv[1], pipe)
"""


def start_child(
    module: str, settings: Any, *, fds: Sequence[int] = (), programs: Sequence[str] | None = None
) -> "subprocess.Popen[bytes]":
    """Run ``module.main(settings)`` in a process of its own, which ends with the calling thread at the latest.

    Args:
        module: name of the module.
        settings: any picklable object.
        fds: file descriptors to keep open in the child; the caller closes its own copies.
        programs: confine the child, before it imports anything else, to running the programs with these paths (see
            `sr4k.live.sandbox.confine`); ``None``: don't confine it.

    Raises:
        OSError: the process can't be started.
    """
    readable, writable = os.pipe()
    try:
        with safe_path():
            child = subprocess.Popen(
                [*interpreter(), "-c", _START, module, str(readable)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(readable, *fds),
                start_new_session=True,  # the supervisor decides what Ctrl-C does
            )
    finally:
        os.close(readable)
    with suppress(BrokenPipeError), os.fdopen(writable, "wb") as pipe:  # the caller notices a child that died at once
        pickle.dump(sys.path, pipe)
        pickle.dump((os.getpid(), programs), pipe)
        pickle.dump(settings, pipe)
    return child
