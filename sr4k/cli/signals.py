"""Signals that ask for an end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


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
