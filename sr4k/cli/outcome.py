"""How a command ends: one clear line for what the user can mend, a traceback only when asked for."""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from sr4k.errors import InternalError, Sr4kError


@contextmanager
def told_in_one_line(*, verbose: bool) -> Iterator[None]:
    """Turn errors into one line on stderr and an exit code (see `sr4k.errors`)."""
    try:
        yield
    except Sr4kError as err:
        _end(str(err), err.exit_code, verbose=verbose)
    except typer.Exit:
        raise
    except Exception as err:
        text = f"{err or type(err).__name__} This is a bug in sr4k-stream; --verbose shows where."
        _end(text, InternalError.exit_code, verbose=verbose)


def log_handler() -> logging.Handler:
    """Plain lines on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    return handler


def _end(text: str, code: int, *, verbose: bool) -> NoReturn:
    if verbose:
        traceback.print_exc()
    typer.echo(f"error: {' '.join(text.split())}", err=True)
    raise typer.Exit(code)
