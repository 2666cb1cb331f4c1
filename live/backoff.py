"""How long to wait before the next try."""

import random

FIRST = 1.0
"""Seconds."""

CAP = 30.0
"""Seconds."""

_GROWTH = 1.5
_JITTER = 0.2  # of the wait: many that lost one server must not come back all at once


class Backoff:
    """1 s, half as much again each time, at most 30 s, and up to a fifth more or less by chance."""

    def __init__(self) -> None:
        self._next = FIRST
        self.tries = 0

    def wait(self) -> float:
        """Seconds to wait now; longer the next time."""
        wait = self._next * random.uniform(1 - _JITTER, 1 + _JITTER)
        self._next = min(CAP, self._next * _GROWTH)
        self.tries += 1
        return min(CAP, wait)

    def reset(self) -> None:
        """It went well for a while: start from the shortest wait again."""
        self._next = FIRST
        self.tries = 0
