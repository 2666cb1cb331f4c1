"""Handles standard input, output and error that are closed or that nobody reads."""

import os
import select
import stat
import sys
from contextlib import suppress

STDIN, STDOUT, STDERR = 0, 1, 2

_STANDARD = {STDIN: ("stdin", "r"), STDOUT: ("stdout", "w"), STDERR: ("stderr", "w")}

closed: set[int] = set()
"""Standard streams that were closed when the command was started."""


def open_closed_ones() -> None:
    """Open closed standard streams on ``/dev/null``: otherwise the next files opened would take their numbers."""
    for number, (name, mode) in _STANDARD.items():
        try:
            os.fstat(number)
        except OSError:
            closed.add(number)
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


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
