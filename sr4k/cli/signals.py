"""Signals that ask for an end: they end whatever a command is at, and it says so in one line.

Until a command begins there is nothing to tidy up: a signal ends the process. Then a signal is an exception in the main
thread, or is counted by who ends things in order. Python's handlers wait for the library that the main thread is in:
where that takes too long, and when there are more signals than are heeded in order, another thread ends the process.
"""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from sr4k.cli.standard_streams import leave_terminal

_DRAIN = 8.0
"""Seconds that a live channel gets to come to its end."""

_PATIENCE = 10.0
"""Seconds that it may take from the last signal that is heeded in order to the end."""

_Handler = Callable[[int, FrameType | None], None]

_STDERR = 2
_SHOW_CURSOR = b"\x1b[?25h"
_STOPPED = b"Stopped at once.\n"


class Interrupted(BaseException):
    """A signal asks for an end, wherever the main thread is."""


class _Watch:
    """Ends the process, from another thread, where the main thread does not.

    Attributes:
        signals: that have been handled.
        heeded: how many are, in order.
        has_raised: whether one of them has become an exception.
    """

    def __init__(self) -> None:
        self.signals: list[int] = []
        self.heeded = 1
        self.has_raised = False
        self._is_over = False
        self._readable, self._writable = os.pipe()
        for end in (self._readable, self._writable):
            os.set_blocking(end, False)
        self._before = signal.set_wakeup_fd(self._writable, warn_on_full_buffer=False)
        threading.Thread(target=self._serve, name="sr4k-signals", daemon=True).start()

    def close(self) -> None:
        self._is_over = True
        signal.set_wakeup_fd(self._before)
        os.close(self._writable)

    def _serve(self) -> None:
        received: list[int] = []
        deadline: float | None = None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._readable], [], [], left)
            numbers = os.read(self._readable, 256) if ready else b""
            if self._is_over or (ready and not numbers):
                os.close(self._readable)
                return
            for number in filter(_is_ours, numbers):
                if number != signal.SIGHUP or number not in received:
                    received.append(number)
            if len(received) > self.heeded or (deadline is not None and time.monotonic() >= deadline):
                self._end()
            if len(received) == self.heeded:
                deadline = deadline or time.monotonic() + _PATIENCE

    def _end(self) -> NoReturn:
        with suppress(OSError):
            os.write(_STDERR, (_SHOW_CURSOR if os.isatty(_STDERR) else b"") + _STOPPED)
        os._exit(128 + (self.signals[-1] if self.signals else signal.SIGTERM))


_watch: _Watch | None = None
"""That of the command that runs."""


def last_signal() -> int | None:
    """The number of the signal that came last, in this command."""
    return _watch.signals[-1] if _watch is not None and _watch.signals else None


def exit_at_once() -> None:
    """From now on a signal ends the process: nothing has begun, and no child has been started."""
    _handled(_exit)


@contextmanager
def interruptible() -> Iterator[None]:
    """Meanwhile a signal raises `Interrupted`, but in other threads than the main one, where Python has no signals."""
    global _watch
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _watch = _Watch()
    before = _handled(_interrupt)
    try:
        yield
    except Exception as err:
        if _watch.has_raised:  # and a library has made something else of it
            raise Interrupted from err
        raise
    finally:
        _restored(before)
        _watch.close()


@contextmanager
def counted_signals(hangups: list[int] | None = None) -> Iterator[list[int]]:
    """Count SIGINT, SIGTERM and SIGHUP instead of being ended by them.

    Args:
        hangups: where a SIGHUP counts instead, as a wish to begin anew with other settings; but one that comes because
            the terminal was closed asks for an end.

    Of several SIGHUPs one counts. It stays ignored where it is (``nohup``), unless it has a meaning of its own here.
    """
    received: list[int] = []

    def count(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            if number in received:  # a terminal that closes may tell it several times
                return
            leave_terminal()
        received.append(number)
        if _watch is not None:
            _watch.signals.append(number)

    had_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    before = _handled(count)
    if hangups is not None:

        def hang_up(number: int, frame: FrameType | None) -> None:
            if had_terminal and not _has_terminal():
                count(number, frame)
            else:
                hangups.append(number)

        before.setdefault(signal.SIGHUP, signal.signal(signal.SIGHUP, hang_up))
    if _watch is not None:
        _watch.heeded += 1
    try:
        yield received
    finally:
        if _watch is not None:
            _watch.heeded -= 1
        _restored(before)


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


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    with suppress(OSError):
        os.write(_STDERR, _STOPPED)
    os._exit(128 + number)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    assert _watch is not None
    _watch.signals.append(number)
    if not _watch.has_raised:
        _watch.has_raised = True
        raise Interrupted


def _handled(handler: _Handler) -> dict[int, Any]:
    """Have signals handled so; gives what handled them before. One that is ignored, as by ``nohup``, stays so."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL or _is_ours(signal.SIGHUP):
        numbers.append(signal.SIGHUP)
    return {number: signal.signal(number, handler) for number in numbers}


def _restored(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, signal.SIG_IGN if handler is _exit else handler)  # what there was to tell has been told


def _is_ours(number: int) -> bool:
    """Whether it asks for an end here."""
    handler = signal.getsignal(number)
    return getattr(handler, "__module__", None) == __name__ and getattr(handler, "__name__", "") != "hang_up"
