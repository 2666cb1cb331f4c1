"""Handles standard streams: those that are closed, that nobody reads, or that can't hold what is printed."""

import io
import os
import select
import stat
import sys
from contextlib import suppress

STDIN, STDOUT, STDERR = 0, 1, 2

_STANDARD = {STDIN: ("stdin", "r"), STDOUT: ("stdout", "w"), STDERR: ("stderr", "w")}

_WIDTHS = range(20, 1001)
"""Widths of pages, in columns."""

closed: set[int] = set()
"""Standard streams that were closed when the command was started."""


def prepare_streams() -> None:
    """Make the standard streams fit for whatever is printed; call it before anything else is opened."""
    _open_closed_ones()
    _forget_odd_width()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: names of files have characters of any kind


def _open_closed_ones() -> None:
    """Open closed standard streams on ``/dev/null``: otherwise the next files opened would take their numbers."""
    for number, (name, mode) in _STANDARD.items():
        try:
            os.fstat(number)
        except OSError:
            closed.add(number)
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def _forget_odd_width() -> None:
    """Remove ``COLUMNS`` from the environment if no page has that width: Rich would print nothing, or try for hours."""
    width = os.environ.get("COLUMNS", "")
    if width.isdecimal() and int(width) not in _WIDTHS:
        del os.environ["COLUMNS"]


def reader_is_gone(output: int = STDOUT) -> bool:
    """Whether standard output, or a duplicate of its descriptor, is a pipe that nobody reads any more."""
    watch = select.poll()
    watch.register(output, 0)
    return any(event & select.POLLERR for _, event in watch.poll(0))


def leave_stdout() -> None:
    """Point stdout at ``/dev/null`` once it takes no more, so that flushing it at exit raises no error."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def leave_terminal() -> None:
    """Point stdout and stderr at ``/dev/null`` if their terminal is gone."""
    for number in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(number).st_mode) and not os.isatty(number):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, number)
                os.close(nowhere)
