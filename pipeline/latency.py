"""Statistics of frame latencies."""

from collections.abc import Iterable
from typing import TypedDict


class Spread(TypedDict):
    """Median and 95th percentile of durations, in seconds."""

    median: float
    p95: float


def spread(seconds: Iterable[float]) -> Spread | None:
    """Return median and 95th percentile of the values, or ``None`` if there are none."""
    ordered = sorted(seconds)
    return {"median": ordered[len(ordered) // 2], "p95": ordered[len(ordered) * 95 // 100]} if ordered else None
