"""How a command ends: one clear line for what the user can mend, a traceback only when asked for."""

import logging
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NoReturn

import typer

from sr4k.cli.signals import Interrupted, interruptible, last_signal
from sr4k.cli.streams import leave_stdout
from sr4k.errors import InternalError, OptionError, Sr4kError, StoppedError
from sr4k.logs import JsonLines, LogFormat, TextLines
from sr4k.printable import printable
from sr4k.redaction import Redaction
from sr4k.refusals import refusal


@contextmanager
def told_in_one_line(*, verbose: bool) -> Iterator[Redaction]:
    """Turn errors into one line on stderr and an exit code (see `sr4k.errors`).

    Gives what keeps secrets out of that line, and out of the traceback: whoever learns of an address tells it.
    """
    redaction = Redaction()
    try:
        with interruptible():
            _check_folder()
            yield redaction
    except Interrupted:
        _end("Stopped.", 128 + (last_signal() or signal.SIGTERM), redaction, verbose=verbose)
    except StoppedError as err:
        _end(str(err), 128 + (last_signal() or signal.SIGINT), redaction, verbose=verbose)
    except Sr4kError as err:
        _end(f"error: {err}", err.exit_code, redaction, verbose=verbose)
    except typer.Exit:
        raise
    except Exception as err:
        refused = refusal(err)
        if isinstance(err, BrokenPipeError):
            leave_stdout()
        if refused is not None:
            _end(f"error: {refused}", refused.exit_code, redaction, verbose=verbose)
        text = f"error: {err or type(err).__name__} This is a bug in sr4k-stream; --verbose shows where."
        _end(text, InternalError.exit_code, redaction, verbose=verbose)


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


def _end(text: str, code: int, redaction: Redaction, *, verbose: bool) -> NoReturn:
    if verbose:
        typer.echo(redaction.text(traceback.format_exc()), err=True, nl=False)
    say(redaction.text(" ".join(text.split())), err=True)
    raise typer.Exit(code)
