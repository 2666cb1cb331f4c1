"""Starting helper processes, which may die at any moment and never outlive the thread that started them.

Their settings hold stream keys, so they are sent through a pipe and never by the command line. `sr4k.live.child_main`
reads the other end of that pipe.
"""

import pickle
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sr4k.pipeline.spawning import spawn


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
    child, pipe = spawn("sr4k.live.child_main", module, fds=fds, apart=True)  # the supervisor decides what Ctrl-C does
    with suppress(BrokenPipeError), pipe:  # the caller notices a child that died at once
        pickle.dump(programs, pipe)
        pickle.dump(settings, pipe)
    return child
