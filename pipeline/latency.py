"""Statistics of frame latencies."""

from collections.abc import Iterable


def spread(seconds: Iterable[float]) -> dict[str, float] | None:
    """Return ``median`` and ``p95`` of the values, or ``None`` if there are none."""
    ordered = sorted(seconds)
    return {"median": ordered[len(ordered) // 2], "p95": ordered[len(ordered) * 95 // 100]} if ordered else None
