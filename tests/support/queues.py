"""Queues for tests, and the programs that run them."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sr4k.media.resume.job_folder import Parts
from sr4k.media.resume.journal import Segment
from sr4k.queue.job_queue import Queue
from sr4k.queue.keeper import SettingsKeeper
from sr4k.queue.queue_runner import Runner
from sr4k.queue.queued_job import JobOptions
from sr4k.queue.settings import Library

FAST = JobOptions(engine="nearest")

_SERVE = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from queues import Place
with Place(Path(sys.argv[1])).runner():
    time.sleep(600)
"""


class Place:
    """A library in a folder, with its queue."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.queue = Queue(folder / ".queue.sqlite")
        self.library = Library([folder])
        self.settings = SettingsKeeper(self.queue, self.library)

    def runner(self) -> Runner:
        return Runner(self.queue, self.library, self.settings)

    def served(self) -> "subprocess.Popen[bytes]":
        """Start a program that runs the queue, to be killed."""
        return subprocess.Popen([sys.executable, "-c", _SERVE, self.folder, Path(__file__).parent])

    def until(self, number: int, *states: str, seconds: float = 120) -> None:
        """Wait until a job is in one of these states."""
        until(lambda: self.queue.get(number).state in states, lambda: str(self.queue.get(number)), seconds)


def finished_segment(parts: Parts, facts: Mapping[str, Any] = MappingProxyType({"scale": 2})) -> Parts:
    """Make the folder of a target, with one finished segment of a job of these facts; return it."""
    parts.make()
    parts.journal.begin(facts)
    (parts.folder / "0.packets").write_bytes(b"1234567")
    parts.journal.add(Segment("0.packets", 7, frames=60, first=0, last=59, delay=0, lost=0))
    return parts


def until(true: Callable[[], bool], told: Callable[[], str] = lambda: "", seconds: float = 120) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, told()
        time.sleep(0.05)
