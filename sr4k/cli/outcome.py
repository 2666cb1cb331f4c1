"""How a command ends: one clear line for what the user can mend, a traceback only when asked for."""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from sr4k.errors import InternalError, Sr4kError
from sr4k.logs import JsonLines, LogFormat, TextLines
from sr4k.redaction import Redaction


@contextmanager
def told_in_one_line(*, verbose: bool) -> Iterator[Redaction]:
    """Turn errors into one line on stderr and an exit code (see `sr4k.errors`).

    Gives what keeps secrets out of that line, and out of the traceback: whoever learns of an address tells it.
    """
    redaction = Redaction()
    try:
        yield redaction
    except Sr4kError as err:
        _end(str(err), err.exit_code, redaction, verbose=verbose)
    except typer.Exit:
        raise
    except Exception as err:
        text = f"{err or type(err).__name__} This is a bug in sr4k-stream; --verbose shows where."
        _end(text, InternalError.exit_code, redaction, verbose=verbose)


def log_handler(form: LogFormat = "text", *, timed: bool = False) -> logging.Handler:
    """Plain lines on stderr, or JSON ones. ``timed``: plain ones begin with the time; JSON ones always hold it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines(timed=timed))
    return handler


def _end(text: str, code: int, redaction: Redaction, *, verbose: bool) -> NoReturn:
    if verbose:
        typer.echo(redaction.text(traceback.format_exc()), err=True, nl=False)
    typer.echo(f"error: {redaction.text(' '.join(text.split()))}", err=True)
    raise typer.Exit(code)
