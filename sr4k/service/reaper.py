"""Reap orphans: the first process of a container inherits them, and they would stay as zombies."""

import ctypes
import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sr4k.pipeline.spawning import own_processes

_PR_GET_CHILD_SUBREAPER = 37

_EVERY = 1.0
"""Seconds between two searches for zombies."""


@contextmanager
def orphans_reaped() -> Iterator[None]:
    """Context in which orphans that this process inherits are reaped, if it is PID 1 or a subreaper.

    Children that this process started itself are left to the code that waits for them.
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
    """Reap children that were zombies at the last search too: what libraries start has been waited for by then."""
    before: set[int] = set()
    while not ending.wait(_EVERY):
        multiprocessing.active_children()  # reaps its own children
        dead = set(_zombies()) - own_processes()
        for process in dead & before:
            with suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)
        before = dead


def _zombies() -> Iterator[int]:
    """Yield the process ids of children that have ended and were not waited for."""
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
