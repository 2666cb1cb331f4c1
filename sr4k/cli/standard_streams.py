"""Standard input, output and errors, where they are closed or nobody reads them."""

import os
import stat
import sys
from contextlib import suppress

_STANDARD = {0: ("stdin", "r"), 1: ("stdout", "w"), 2: ("stderr", "w")}


def open_closed_ones() -> None:
    """Those that are closed lead nowhere: else the next files that are opened would be taken for them."""
    for number, (name, mode) in _STANDARD.items():
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest number that is free
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def leave_stdout() -> None:
    """Nobody reads it: what is still to be written goes nowhere, without a complaint at the end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def leave_terminal() -> None:
    """Where the terminal is gone, what is still to be told goes nowhere."""
    for number in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(number).st_mode) and not os.isatty(number):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, number)
                os.close(nowhere)
