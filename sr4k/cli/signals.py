"""Handles SIGINT, SIGTERM and SIGHUP: they end a command at any point, with one line that says so.

Before a command starts there is nothing to clean up, and a signal ends the process. After that a signal raises an
exception in the main thread, or is counted by code that shuts down in order. Python runs handlers only between
bytecodes: if a library call takes too long, or more signals arrive than are handled in order, a second thread ends the
process.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any, NoReturn

from sr4k.cli.standard_streams import leave_terminal

_PATIENCE = 10.0
"""Seconds that an orderly end usually may take after the last signal that is handled in order."""

_Handler = Callable[[int, FrameType | None], None]

_STDERR = 2
_SHOW_CURSOR = b"\x1b[?25h"
_STOPPED = b"Stopped at once.\n"


class Interrupted(BaseException):
    """A signal asked for the end of the command."""


class _Watch:
    """Ends the process from a second thread if the main thread doesn't.

    Attributes:
        signals: signals whose Python handler has run.
        heeded: number of signals that are handled in order; one more ends the process.
        patience: seconds that the end may take after the last of them.
        has_raised: whether a signal has raised `Interrupted`.
    """

    def __init__(self) -> None:
        self.signals: list[int] = []
        self.heeded = 1
        self.patience = _PATIENCE
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
                deadline = deadline or time.monotonic() + self.patience

    def _end(self) -> NoReturn:
        with suppress(OSError):
            os.write(_STDERR, (_SHOW_CURSOR if os.isatty(_STDERR) else b"") + _STOPPED)
        os._exit(128 + (self.signals[-1] if self.signals else signal.SIGTERM))


_watch: _Watch | None = None
"""The watch of the running command."""


def last_signal() -> int | None:
    """Return the number of the last signal that this command received."""
    return _watch.signals[-1] if _watch is not None and _watch.signals else None


def exit_at_once() -> None:
    """Let signals end the process from now on. For the time before the command has started anything."""
    _install(_exit)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let signals raise `Interrupted` inside. In a thread other than the main one this does nothing.

    Raises:
        Interrupted: a signal came.
    """
    global _watch
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _watch = _Watch()
    before, hook = _install(_interrupt), sys.unraisablehook
    sys.unraisablehook = partial(_told_unless_interrupted, hook)
    try:
        yield
    except Exception as err:
        if _watch.has_raised:  # a library turned Interrupted into an error of its own
            raise Interrupted from err
        raise
    finally:
        sys.unraisablehook = hook
        _restore(before)
        _watch.close()


@contextmanager
def counted_signals(hangups: list[int] | None = None, *, patience: float = _PATIENCE) -> Iterator[list[int]]:
    """Count SIGINT, SIGTERM and SIGHUP instead of ending the command.

    Several SIGHUPs count as one. SIGHUP stays ignored if it was (``nohup``), unless ``hangups`` is given.

    Args:
        hangups: collects SIGHUPs that ask to reload settings. A SIGHUP because the terminal was closed is still counted
            as a request to end.
        patience: seconds that the end may take after the second signal; then the process is ended as it is.

    Yields:
        The numbers of the signals received so far.
    """
    received: list[int] = []

    def count(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            if number in received:  # a closing terminal may send several
                return
            leave_terminal()
        received.append(number)
        if _watch is not None:
            _watch.signals.append(number)

    had_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    before = _install(count)
    if hangups is not None:

        def hang_up(number: int, frame: FrameType | None) -> None:
            if had_terminal and not _has_terminal():
                count(number, frame)
            else:
                hangups.append(number)

        before.setdefault(signal.SIGHUP, signal.signal(signal.SIGHUP, hang_up))
    if _watch is not None:
        _watch.heeded, _watch.patience = _watch.heeded + 1, patience
    try:
        yield received
    finally:
        if _watch is not None:
            _watch.heeded, _watch.patience = _watch.heeded - 1, _PATIENCE
        _restore(before)


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal that is open."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


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


def _told_unless_interrupted(
    tell: Callable[["sys.UnraisableHookArgs"], object], ignored: "sys.UnraisableHookArgs"
) -> None:
    """Pass on what a library's C code can't raise, but for `Interrupted`: then `_Watch` ends the process if need be."""
    if ignored.exc_type is not Interrupted:
        tell(ignored)


def _install(handler: _Handler) -> dict[int, Any]:
    """Install a handler, and return the earlier ones. A SIGHUP that is ignored, as by ``nohup``, stays ignored."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL or _is_ours(signal.SIGHUP):
        numbers.append(signal.SIGHUP)
    return {number: signal.signal(number, handler) for number in numbers}


def _restore(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, signal.SIG_IGN if handler is _exit else handler)  # the command has printed its last line


def _is_ours(number: int) -> bool:
    """Whether a handler of this module takes the signal as a request to end."""
    handler = signal.getsignal(number)
    return getattr(handler, "__module__", None) == __name__ and getattr(handler, "__name__", "") != "hang_up"
