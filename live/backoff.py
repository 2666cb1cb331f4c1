"""Exponential backoff between retries."""

import random

FIRST = 1.0
"""Shortest wait, in seconds."""

CAP = 30.0
"""Longest wait, in seconds."""

_GROWTH = 1.5
_JITTER = 0.2  # share of the wait: clients that lost one server must not all reconnect at once


class Backoff:
    """Waits that start at 1 s and grow by half each time to at most 30 s, with a random jitter of up to 20 %."""

    def __init__(self) -> None:
        self._next = FIRST
        self.tries = 0

    def wait(self) -> float:
        """Return the seconds to wait now; the next wait is longer."""
        wait = self._next * random.uniform(1 - _JITTER, 1 + _JITTER)
        self._next = min(CAP, self._next * _GROWTH)
        self.tries += 1
        return min(CAP, wait)

    def reset(self) -> None:
        """Start from the shortest wait again, after a try that succeeded."""
        self._next = FIRST
        self.tries = 0
