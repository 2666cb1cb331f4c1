"""What is told of tries that fail, so that a log stays readable however long they go on."""

import logging
import time
from collections.abc import Callable
from typing import Any

_AT_ONCE = 10
"""Lines of a row of failures that are written as they come."""

_AGAIN = 3600.0
"""Seconds until the same is told again after that."""

_HELD = 60.0
"""Seconds after which a connection that breaks is the first failure of a new row."""

_REASONS = 16
"""Different reasons that are kept apart; beyond, they are told as one."""


class Retries:
    """Tells of a row of failures: the first ten lines as they come, then each reason once an hour, with the count.

    Records bear ``event`` ("connected", "retry" or "restart"), ``reason``, ``delay`` (seconds) and ``tries``.

    Args:
        log: where to.
        who: what the lines begin with, fit to be shown; may be empty.
        event, verb, level: of the lines about failures.
        fields: of all records, such as ``target``.
    """

    def __init__(
        self,
        log: logging.Logger,
        who: str = "",
        *,
        event: str = "retry",
        verb: str = "trying",
        level: int = logging.WARNING,
        fields: dict[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._who, self._clock = log, f"{who}: " if who else "", clock
        self._event, self._verb, self._level, self._fields = event, verb, level, fields or {}
        self._connected: float | None = None
        self.forget()

    def connected(self, words: str, level: int = logging.INFO) -> None:
        """A try went well, as far as can be seen."""
        self._connected = self._clock()
        if self._is_told(words):
            self._log.log(level, "%s%s.", self._who, words, extra={**self._fields, "event": "connected"})

    def failed(self, reason: str, delay: float) -> None:
        """A try failed, or what it brought has ended; the next one is in ``delay`` seconds."""
        now = self._clock()
        if self._connected is not None and now - self._connected >= _HELD:
            self.forget()
        self._connected = None
        self._tries += 1
        if self._is_told(reason):
            extra = {"event": self._event, "reason": reason, "delay": round(delay, 1), "tries": self._tries}
            how_often = f" ({self._tries} times in {_span(now - self._began)})" if self._lines > _AT_ONCE else ""
            text = f"{self._who}{reason}; {self._verb} again in {delay:.1f} s{how_often}."
            self._log.log(self._level, "%s", text, extra={**self._fields, **extra})

    def forget(self) -> None:
        """It went well for long: what fails next is the first of a new row."""
        self._tries = self._lines = 0
        self._began = self._clock()
        self._told: dict[str, float] = {}

    def _is_told(self, what: str) -> bool:
        now = self._clock()
        key = what if what in self._told or len(self._told) < _REASONS else ""
        last = self._told.get(key)
        if self._lines >= _AT_ONCE and last is not None and now - last < _AGAIN:
            return False
        self._told[key] = now
        self._lines += 1
        return True


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
