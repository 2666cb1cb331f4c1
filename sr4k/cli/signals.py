"""Signals that ask for an end."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_DRAIN = 8.0
"""Seconds that a live channel gets to come to its end."""


@contextmanager
def counted_signals() -> Iterator[list[int]]:
    """Count SIGINT and SIGTERM instead of dying of them."""
    received: list[int] = []
    before = {
        number: signal.signal(number, lambda n, _frame: received.append(n))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Impatient:
    """How often a stop was asked for: once for each signal, and twice where the first was not heeded for long."""

    def __init__(self, signals: Sequence[int]) -> None:
        self._signals = signals
        self._asked: float | None = None

    def __call__(self) -> int:
        if not self._signals:
            return 0
        now = time.monotonic()
        self._asked = now if self._asked is None else self._asked
        return max(2, len(self._signals)) if now - self._asked > _DRAIN else len(self._signals)
