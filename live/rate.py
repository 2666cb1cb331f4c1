"""Rate of a counter over the last seconds."""

import time
from collections import deque

_WINDOW = 5.0
"""Length of the sliding window, in seconds."""


class Rate:
    """Rate of a growing count, over a sliding window."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def of(self, count: int) -> float:
        """Return the rate per second, given the present count."""
        now = time.monotonic()
        if self._samples and count < self._samples[-1][1]:
            self._samples.clear()  # the count was reset
        self._samples.append((now, count))
        while now - self._samples[0][0] > _WINDOW:
            self._samples.popleft()
        then, before = self._samples[0]
        return (count - before) / (now - then) if now > then else 0.0
