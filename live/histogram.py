"""Histogram of durations, as Prometheus counts them."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

LATENCIES = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0)
"""Upper bounds, in seconds, for the latency of a live channel."""


@dataclass(frozen=True, slots=True)
class HistogramReport:
    """A histogram at one moment.

    Attributes:
        bounds: upper bounds.
        counts: of values up to each bound and above the one before, and of those above the last; not cumulative.
        sum: of all values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


class Histogram:
    """Counts of values by upper bounds; values above the last bound are counted separately."""

    def __init__(self, bounds: Sequence[float] = LATENCIES) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def report(self) -> HistogramReport:
        """Return what was counted so far."""
        return HistogramReport(self._bounds, tuple(self._counts), self._sum)
