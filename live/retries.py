"""Retries until a stop: the waits between them, and log lines that are rate-limited."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sr4k.live.backoff import Backoff

_AT_ONCE = 10
"""Number of first lines in a series of failures that are logged at once."""

_AGAIN = 3600.0
"""Seconds until the same reason is logged again after that."""

_HELD = 60.0
"""Seconds that a connection must last for its end to begin a new series of failures."""

_REASONS = 16
"""Number of reasons that are rate-limited separately; all further ones share one limit."""

_TICK = 0.1
"""Interval in seconds at which a wait checks whether to stop."""


@dataclass(frozen=True, slots=True)
class Tried:
    """End of a try.

    Attributes:
        reason: why, in words for the log.
        seconds: how long it had succeeded by then.
        final: whether another try is pointless.
    """

    reason: str
    seconds: float = 0.0
    final: bool = False


def keep_trying(
    once: Callable[[], Tried],
    *,
    proven: float,
    retries: "Retries",
    should_stop: Callable[[], object],
    on_wait: Callable[[str], None] = lambda _reason: None,
    on_proven: Callable[[], None] = lambda: None,
    tries: int | None = None,
) -> None:
    """Call ``once`` again and again, with growing waits between, until a try is final or a stop is requested.

    Args:
        once: makes one try and returns when it has ended. Its exceptions end all tries.
        proven: seconds that a try must succeed for the next wait to be short again.
        retries: logs each failure.
        should_stop: whether a stop was requested; polled between tries, and while waiting.
        on_wait: called with the reason before each wait.
        on_proven: called after each try that succeeded for that long.
        tries: consecutive tries that may fail; ``None``: any number.
    """
    backoff = Backoff()
    while not should_stop():
        tried = once()
        if tried.seconds > proven:
            backoff.reset()
            on_proven()
        if tried.final or (tries is not None and backoff.tries + 1 >= tries):
            return
        wait = backoff.wait()
        on_wait(tried.reason)
        if not should_stop():
            retries.failed(tried.reason, wait)
        until = time.monotonic() + wait
        while not should_stop() and (left := until - time.monotonic()) > 0:
            time.sleep(min(_TICK, left))


class Retries:
    """Logs a series of failures: the first ten lines at once, then each reason once an hour, with the count.

    Log records have ``event`` ("connected", "retry" or "restart"), ``reason``, ``delay`` (seconds) and ``tries``.

    Args:
        log: logger to write to.
        who: prefix of the lines, without secrets; may be empty.
        event: value of ``event`` in records of failures.
        verb: verb before "again in … s" in their text.
        level: log level of those records.
        fields: further attributes of all records, such as ``target``.
        clock: monotonic time in seconds.
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
        """Log that a try has connected, in these words."""
        self._connected = self._clock()
        if self._is_due(words):
            self._log.log(level, "%s%s.", self._who, words, extra={**self._fields, "event": "connected"})

    def failed(self, reason: str, delay: float) -> None:
        """Log that a try failed or a connection ended, and that the next try is in ``delay`` seconds."""
        now = self._clock()
        if self._connected is not None and now - self._connected >= _HELD:
            self.forget()
        self._connected = None
        self._tries += 1
        if self._is_due(reason):
            extra = {"event": self._event, "reason": reason, "delay": round(delay, 1), "tries": self._tries}
            how_often = f" ({self._tries} times in {_span(now - self._began)})" if self._lines > _AT_ONCE else ""
            text = f"{self._who}{reason}; {self._verb} again in {delay:.1f} s{how_often}."
            self._log.log(self._level, "%s", text, extra={**self._fields, **extra})

    def forget(self) -> None:
        """Begin a new series, after a connection that lasted: its first failures are logged at once again."""
        self._tries = self._lines = 0
        self._began = self._clock()
        self._logged: dict[str, float] = {}

    def _is_due(self, what: str) -> bool:
        """Whether to log this text now; if so, it is counted as logged."""
        now = self._clock()
        key = what if what in self._logged or len(self._logged) < _REASONS else ""
        last = self._logged.get(key)
        if self._lines >= _AT_ONCE and last is not None and now - last < _AGAIN:
            return False
        self._logged[key] = now
        self._lines += 1
        return True


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
