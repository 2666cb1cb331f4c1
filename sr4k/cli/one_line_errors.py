"""How a command ends: one clear line for what the user can mend, a traceback only when asked for."""

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
from sr4k.cli.standard_streams import leave_stdout
from sr4k.common.logs import JsonLines, LogFormat, TextLines
from sr4k.common.printable import printable
from sr4k.common.system_errors import refusal
from sr4k.errors import InternalError, OptionError, Sr4kError, StoppedError
from sr4k.service.redaction import Redaction


@contextmanager
def told_in_one_line(*, verbose: bool) -> Iterator[Redaction]:
    """Turn errors into one line on stderr and an exit code (see `sr4k.errors`).

    Gives what keeps secrets out of that line, and out of the traceback: whoever learns of an address tells it.
    """
    redaction = Redaction()
    redaction.hide_typed(sys.argv[1:])
    try:
        with interruptible():
            _check_folder()
            yield redaction
    except typer.Exit:
        raise
    except (Interrupted, Exception) as err:
        if isinstance(err, BrokenPipeError):
            leave_stdout()
        end = verdict(err)
        if verbose:
            typer.echo(redaction.text(traceback.format_exc()), err=True, nl=False)
        text = " ".join(f"{'error: ' if end.is_error else ''}{end.text}".split())
        say(redaction.text(text), err=True)
        raise typer.Exit(end.code) from None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is told of what ended a command, and the exit code; ``is_error``: nobody has asked for it to end."""

    text: str
    code: int
    is_error: bool = True


def verdict(error: BaseException) -> Verdict:
    """In the user's words."""
    if isinstance(error, Interrupted):
        return Verdict("Stopped.", 128 + (last_signal() or signal.SIGTERM), is_error=False)
    if isinstance(error, StoppedError):
        return Verdict(str(error), 128 + (last_signal() or signal.SIGINT), is_error=False)
    told = error if isinstance(error, Sr4kError) else refusal(error)
    if told is not None:
        return Verdict(str(told), told.exit_code)
    text = f"{error or type(error).__name__} This is a bug in sr4k-stream; --verbose shows where."
    return Verdict(text, InternalError.exit_code)


def say(*lines: str, err: bool = False) -> None:
    """Lines for people, on stdout or stderr: whatever names of files and the like are in them, they are plain lines."""
    for line in lines:
        with suppress(OSError) if err else nullcontext():  # whoever does not hear it can't be told so
            typer.echo(printable(line), err=err)


def log_handler(form: LogFormat = "text", *, timed: bool = False) -> logging.Handler:
    """Plain lines on stderr, or JSON ones. ``timed``: plain ones begin with the time; JSON ones always hold it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines(timed=timed))
    return handler


def _check_folder() -> None:
    """Of a folder that has been deleted no process can be started."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise OptionError("The current folder has been deleted: go to one that is there.") from None
