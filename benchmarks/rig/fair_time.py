"""Measure time corrected for the load of the machine, so that time limits of tests hold on a busy one too.

With more runnable threads than CPUs, everything takes longer in proportion. A `Stopwatch` divides that out. On an
otherwise idle machine its seconds are wall-clock seconds.
"""

import os
import threading
import time
from pathlib import Path

_EVERY = 0.05
"""Seconds between two readings of the load."""


class Stopwatch:
    """A clock that runs from its construction."""

    def __init__(self) -> None:
        self._began, self._began_fair = time.monotonic(), _clock.now()

    @property
    def wall(self) -> float:
        """Wall-clock seconds."""
        return time.monotonic() - self._began

    @property
    def fair(self) -> float:
        """Seconds on a machine with idle CPUs, estimated; never more than `wall`."""
        return _clock.now() - self._began_fair

    @property
    def slowdown(self) -> float:
        """Factor by which load slows things down; 1 on an idle machine."""
        return max(1.0, self.wall / max(self.fair, 1e-9))


def crowding(loadavg: str, cpus: int) -> float:
    """Return the runnable threads per CPU, without the calling one, from the text of ``/proc/loadavg``; at least 1."""
    runnable = int(loadavg.split()[3].partition("/")[0]) - 1
    return max(1.0, runnable / cpus)


class _Clock:
    """Sums fair seconds during the life of the process."""

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
