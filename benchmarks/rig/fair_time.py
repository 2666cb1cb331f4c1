"""Seconds as a machine with CPUs to spare would have needed, for limits that must hold on a busy one, too.

Where more threads want to run than there are CPUs, each gets its share of them alone, and all takes longer by as much.
A `Stopwatch` takes that off. On a machine that has nothing else to do its seconds are those of any clock.
"""

import os
import threading
import time
from pathlib import Path

_EVERY = 0.05
"""Seconds between two looks at how many want to run."""


class Stopwatch:
    """Runs from the moment that it is made."""

    def __init__(self) -> None:
        self._began, self._began_fair = time.monotonic(), _clock.now()

    @property
    def wall(self) -> float:
        """Seconds by the clock on the wall."""
        return time.monotonic() - self._began

    @property
    def fair(self) -> float:
        """Seconds that it would have taken with CPUs to spare: never more than `wall`."""
        return _clock.now() - self._began_fair

    @property
    def slowdown(self) -> float:
        """How many times longer things take: 1 on a quiet machine."""
        return max(1.0, self.wall / max(self.fair, 1e-9))


def crowding(loadavg: str, cpus: int) -> float:
    """How many threads there are for each CPU, by ``/proc/loadavg``, but for the one that asks; 1 at least."""
    runnable = int(loadavg.split()[3].partition("/")[0]) - 1
    return max(1.0, runnable / cpus)


class _Clock:
    """Adds up, for as long as the process lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds, self._looked = 0.0, time.monotonic()
        threading.Thread(target=self._run, name="fair-time", daemon=True).start()

    def now(self) -> float:
        with self._lock:
            now = time.monotonic()
            self._seconds += (now - self._looked) / crowding(_LOAD.read_text(), os.cpu_count() or 1)
            self._looked = now
            return self._seconds

    def _run(self) -> None:
        while True:
            time.sleep(_EVERY)
            self.now()


_LOAD = Path("/proc/loadavg")
_clock = _Clock()
