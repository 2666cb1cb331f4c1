"""Tries that go on until a stop: how long is waited between them, and what is told, so that a log stays readable."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sr4k.live.backoff import Backoff

_AT_ONCE = 10
"""Lines of a row of failures that are written as they come."""

_AGAIN = 3600.0
"""Seconds until the same is told again after that."""

_HELD = 60.0
"""Seconds after which a connection that breaks is the first failure of a new row."""

_REASONS = 16
"""Different reasons that are kept apart; beyond, they are told as one."""

_TICK = 0.1
"""Seconds between two looks whether to stop, while waiting."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How a try ended: why, and for how many seconds it went well; ``final``: there is to be no other."""

    reason: str
    seconds: float = 0.0
    final: bool = False


def keep_trying(
    once: Callable[[], Tried],
    *,
    proven: float,
    told: "Retries",
    should_stop: Callable[[], object],
    on_wait: Callable[[str], None] = lambda _reason: None,
    on_proven: Callable[[], None] = lambda: None,
    tries: int | None = None,
) -> None:
    """Try, and again after a wait that grows, until a try is the final one or a stop is asked for.

    Args:
        once: one try, from its beginning to its end. What it raises ends all.
        proven: seconds that a try has to go well for the next wait to be short again.
        told: is told of each failure.
        should_stop: whether a stop was asked for; heeded between tries, and while waiting.
        on_wait: called with the reason before each wait.
        on_proven: called after each try that went well for so long.
        tries: that may fail one after the other before it is given up; ``None``: any number.
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
            told.failed(tried.reason, wait)
        until = time.monotonic() + wait
        while not should_stop() and (left := until - time.monotonic()) > 0:
            time.sleep(min(_TICK, left))


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
