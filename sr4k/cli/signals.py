"""Signals that ask for an end."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_ENDS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP

_DRAIN = 8.0
"""Seconds that a live channel gets to come to its end."""


@contextmanager
def counted_signals(hangups: list[int] | None = None) -> Iterator[list[int]]:
    """Count SIGINT, SIGTERM and SIGHUP instead of dying of them.

    Args:
        hangups: where a SIGHUP counts instead, as a wish to begin anew with other settings; but one that comes because
            the terminal was closed asks for an end.

    SIGHUP stays ignored where it is (``nohup``), unless it has a meaning of its own here.
    """
    received: list[int] = []
    before = {number: signal.signal(number, lambda n, _frame: received.append(n)) for number in _ENDS}
    is_ignored = before[signal.SIGHUP] == signal.SIG_IGN
    if hangups is not None:
        had_terminal = _has_terminal() and not is_ignored

        def hang_up(number: int, _frame: object) -> None:
            (received if had_terminal and not _has_terminal() else hangups).append(number)

        signal.signal(signal.SIGHUP, hang_up)
    elif is_ignored:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _has_terminal() -> bool:
    """Whether there is a terminal that belongs to this process, and is open."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


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
