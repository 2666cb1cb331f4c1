"""How long frames took on their way."""

from collections.abc import Iterable


def spread(seconds: Iterable[float]) -> dict[str, float] | None:
    """Median and 95th percentile, if there is anything."""
    ordered = sorted(seconds)
    return {"median": ordered[len(ordered) // 2], "p95": ordered[len(ordered) * 95 // 100]} if ordered else None
