"""Run a command and watch what it uses with all its children."""

import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from extras import required

psutil = required("psutil")

_EVERY = 0.2
"""Seconds between two looks."""


@dataclass(frozen=True)
class Watched:
    """What a command took: wall-clock seconds, and the peaks of memory in MiB and of the number of threads.

    Memory is the proportional set size: what processes share counts once.
    """

    seconds: float
    mib: float
    threads: int


def watched(command: Sequence[str | Path]) -> Watched:
    """Run a command to its end.

    Raises:
        AssertionError: its exit code is not 0.
    """
    began = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    mib, threads, done = 0.0, 0, threading.Event()

    def watch() -> None:
        nonlocal mib, threads
        root = psutil.Process(process.pid)
        while not done.wait(_EVERY):
            found = [_use(member) for member in (root, *root.children(recursive=True))]
            mib = max(mib, sum(memory for memory, _ in found) / 2**20)
            threads = max(threads, sum(number for _, number in found))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - began
    done.set()
    watcher.join()
    assert code == 0, f"exit code {code} of {command[0]}"
    return Watched(seconds, mib, threads)


def _use(process: "psutil.Process") -> tuple[int, int]:
    """Return bytes and threads of a process; nothing of one that has ended."""
    try:
        return process.memory_full_info().pss, process.num_threads()
    except psutil.Error:
        return 0, 0
