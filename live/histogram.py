"""How often something took how long."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

LATENCIES = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0)
"""Seconds: upper bounds for what goes through a live channel."""


class Histogram:
    """Counts values by upper bounds; what is above the last counts beyond them."""

    def __init__(self, bounds: Sequence[float] = LATENCIES) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def report(self) -> dict[str, Any]:
        """``bounds``, ``counts`` (one more than bounds, each of its own range) and ``sum``."""
        return {"bounds": self._bounds, "counts": tuple(self._counts), "sum": self._sum}
