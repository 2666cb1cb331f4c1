"""Ends a command in one clear line where the user can act, with a traceback only if asked for."""

import logging
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from sr4k.cli.signals import Interrupted, interruptible, last_signal
from sr4k.cli.standard_streams import leave_stdout, reader_is_gone
from sr4k.common.logs import JsonLines, LogFormat, TextLines
from sr4k.common.option_names import named_for_command
from sr4k.common.printable import printable
from sr4k.common.system_errors import refusal
from sr4k.errors import READER_GONE, InternalError, OptionError, Sr4kError, StoppedError
from sr4k.service.redaction import Redaction

_STOPS = ".!?"
"""What ends a sentence."""


@contextmanager
def errors_in_one_line(*, verbose: bool) -> Iterator[Redaction]:
    """Turn errors into one line on stderr and an exit code (see `sr4k.errors`).

    Yields:
        The redaction of that line and of the traceback: give it each address that becomes known.

    Raises:
        typer.Exit: an error was raised inside; with its exit code.
    """
    redaction = Redaction()
    redaction.hide_typed(sys.argv[1:])
    try:
        with named_for_command(), interruptible():
            _check_folder()
            yield redaction
    except typer.Exit:
        raise
    except (Interrupted, Exception) as err:
        if isinstance(err, BrokenPipeError) and reader_is_gone():
            leave_stdout()
            raise typer.Exit(READER_GONE) from None
        with named_for_command():  # some errors are put into words only now
            end = verdict(err)
            if verbose:
                typer.echo(redaction.text(traceback.format_exc()), err=True, nl=False)
        text = " ".join(f"{'error: ' if end.is_error else ''}{end.text}".split())
        say(redaction.text(text), err=True)
        raise typer.Exit(end.code) from None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The line and the exit code with which a command ends; ``is_error``: not because the user asked for it."""

    text: str
    code: int
    is_error: bool = True


def verdict(error: BaseException) -> Verdict:
    """Return the line and the exit code for an error."""
    if isinstance(error, Interrupted):
        return Verdict("Stopped.", 128 + (last_signal() or signal.SIGTERM), is_error=False)
    if isinstance(error, StoppedError):
        return Verdict(str(error), 128 + (last_signal() or signal.SIGINT), is_error=False)
    known = error if isinstance(error, Sr4kError) else refusal(error)
    if known is not None:
        return Verdict(str(known), known.exit_code)
    said = str(error).strip() or type(error).__name__
    stop = "" if said[-1] in _STOPS else "."
    text = f"{said}{stop} This is a bug in sr4k-stream: --verbose prints a traceback to report."
    return Verdict(text, InternalError.exit_code)


def say(*lines: str, err: bool = False) -> None:
    """Print lines on stdout or stderr, with control characters escaped, such as those in names of files."""
    for line in lines:
        with suppress(OSError) if err else nullcontext():  # nobody could read an error about stderr
            typer.echo(printable(line), err=err)


def log_handler(form: LogFormat = "text", *, timed: bool = False) -> logging.Handler:
    """Return a handler that writes text or JSON lines to stderr. ``timed``: text lines begin with the time."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines(timed=timed))
    return handler


def _check_folder() -> None:
    """Refuse a current folder that has been deleted: no process can be started in it."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise OptionError("The current folder has been deleted: change to another one.") from None
