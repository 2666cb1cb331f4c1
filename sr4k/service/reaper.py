"""As the first process of a container, one inherits the children of all that die: somebody has to hear of their end."""

import ctypes
import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PR_GET_CHILD_SUBREAPER = 37

_EVERY = 1.0
"""Seconds between two looks."""


@contextmanager
def orphans_reaped() -> Iterator[None]:
    """Meanwhile, if this process is one that orphans are given to, none of them stays behind as a zombie.

    What this process has started itself is left to whoever waits for it.
    """
    if not _is_given_orphans():
        yield
        return
    ending = threading.Event()
    thread = threading.Thread(target=_reap, args=(ending,), name="sr4k-orphans", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def _reap(ending: threading.Event) -> None:
    """Those that were dead at the last look too: a child that was waited for would be gone by now."""
    before: set[int] = set()
    while not ending.wait(_EVERY):
        multiprocessing.active_children()  # which waits for its own dead
        dead = set(_zombies())
        for process in dead & before:
            with suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)
        before = dead


def _zombies() -> Iterator[int]:
    """Children of this process that have ended and were not waited for."""
    for children in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            for process in map(int, children.read_text().split()):
                with suppress(OSError, IndexError):
                    if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                        yield process


def _is_given_orphans() -> bool:
    if os.getpid() == 1:
        return True
    answer = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(answer.value)
