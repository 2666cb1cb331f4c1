"""In which order segments are given to machines, and which are made twice at the end. It knows no Ray and no clock."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Protocol, TypeVar

from sr4k.cluster.tasks import SegmentTask

SILENT = 120.0
"""Seconds without a new frame after which a segment is given to another machine as well."""

_COPIES = 2
"""Number of machines that may make one segment at the same time."""

_LAGGING = 1.5
"""How much longer than usual a segment may take before another machine that has nothing to do makes it too."""

_LEAST = 10.0
"""Seconds before which no segment takes long."""


class Running(Protocol):
    """One machine making one segment. ``began``: when; ``moved``: when its number of frames last grew; in seconds."""

    began: float
    moved: float

    @property
    def task(self) -> SegmentTask: ...

    @property
    def machine(self) -> object: ...


_Run = TypeVar("_Run", bound=Running)


def longest_first(tasks: Iterable[SegmentTask]) -> list[SegmentTask]:
    """Return the tasks by their number of frames, so that the last ones to be given out are short; else in order."""
    return sorted(tasks, key=lambda task: -task.stretch.frames)


def lagging(runs: Sequence[_Run], idle: object, took: Sequence[float], now: float) -> _Run | None:
    """Return what began first of all that takes too long, if it is worth while that another machine makes it too.

    Args:
        runs: all that is under way.
        idle: the machine that has nothing to do.
        took: seconds that finished segments took.
        now: the time.
    """
    usual = median(took) if took else SILENT
    copies = Counter(run.task.key for run in runs)
    found = [
        run
        for run in runs
        if run.machine is not idle
        and (now - run.began > max(_LEAST, _LAGGING * usual) or now - run.moved > SILENT)
        and copies[run.task.key] < _COPIES
    ]
    return min(found, key=lambda run: run.began, default=None)
