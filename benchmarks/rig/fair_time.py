"""Measure time corrected for the load of the machine, so that time limits of tests hold on a busy one too.

With more runnable threads than CPUs, everything takes longer in proportion. A `Stopwatch` divides that out. Machines
that share their CPUs with others also pause: for up to seconds nothing runs. That time does not count. On an otherwise
idle machine that never pauses its seconds are wall-clock seconds.
"""

import os
import threading
import time
from pathlib import Path

_EVERY = 0.05
"""Seconds between two readings of the load."""

_LATE = 0.1
"""Seconds between two readings from which on the machine is taken to have paused: whatever is beyond."""


class Stopwatch:
    """A clock that runs from its construction."""

    def __init__(self) -> None:
        self._began, self._began_fair = time.monotonic(), _clock.now()
        self._pauses = len(_clock.pauses)

    @property
    def wall(self) -> float:
        """Wall-clock seconds."""
        return time.monotonic() - self._began

    @property
    def fair(self) -> float:
        """Seconds on a machine with idle CPUs that never pauses, estimated; never more than `wall`."""
        return _clock.now() - self._began_fair

    @property
    def slowdown(self) -> float:
        """Factor by which load and pauses slow things down on average; 1 on an idle machine."""
        return max(1.0, self.wall / max(self.fair, 1e-9))

    def stretched(self, seconds: float) -> float:
        """Return how long what takes so many seconds at most on an idle machine may have taken here.

        It is longer by the `slowdown`, and by the longest pause since this clock began.
        """
        _clock.now()
        return seconds * self.slowdown + max(_clock.pauses[self._pauses :], default=0.0)


def crowding(loadavg: str, cpus: int) -> float:
    """Return the runnable threads per CPU, without the calling one, from the text of ``/proc/loadavg``; at least 1."""
    runnable = int(loadavg.split()[3].partition("/")[0]) - 1
    return max(1.0, runnable / cpus)


class _Clock:
    """Sums fair seconds during the life of the process, and notes the pauses of the machine, in seconds."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._lock = threading.Lock()
        self._seconds, self._looked = 0.0, time.monotonic()
        threading.Thread(target=self._run, name="fair-time", daemon=True).start()

    def now(self) -> float:
        with self._lock:
            now = time.monotonic()
            pause = now - self._looked - _LATE
            if pause > 0:
                self.pauses.append(pause)
            self._seconds += min(now - self._looked, _LATE) / crowding(_LOAD.read_text(), os.cpu_count() or 1)
            self._looked = now
            return self._seconds

    def _run(self) -> None:
        while True:
            time.sleep(_EVERY)
            self.now()


_LOAD = Path("/proc/loadavg")
_clock = _Clock()
