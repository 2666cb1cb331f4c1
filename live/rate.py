"""How many a second, lately."""

import time
from collections import deque

_WINDOW = 5.0
"""Seconds."""


class Rate:
    """Of a count that grows."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def of(self, count: int) -> float:
        """Now, with the count as it is."""
        now = time.monotonic()
        if self._samples and count < self._samples[-1][1]:
            self._samples.clear()  # it began anew
        self._samples.append((now, count))
        while now - self._samples[0][0] > _WINDOW:
            self._samples.popleft()
        then, before = self._samples[0]
        return (count - before) / (now - then) if now > then else 0.0
