"""Pipes as the source and the target of a job: what they are called, and how their descriptors reach the workers."""

import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from sr4k.common.given_path import given_path
from sr4k.errors import InputError, OptionError, OutputError
from sr4k.live.address import is_live
from sr4k.live.address import shown as address_shown
from sr4k.media.image_names import is_picture
from sr4k.media.options import Piped
from sr4k.media.reading.piped_source import STANDARD_INPUT, new_copy
from sr4k.media.remote_path import RemotePath, file_or_remote, is_in_bucket
from sr4k.media.writing.pipe_writer import STANDARD_OUTPUT

DASH = Path("-")
"""Standard input as a source, standard output as a target."""

_DASHES = ("-", "/dev/stdin", "/dev/stdout")

_BY_NUMBER = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
"""Paths of this process's file descriptors, such as a shell's ``<(...)``."""

_IN, _OUT, _ERR = 0, 1, 2


def path_or_dash(given: str | os.PathLike[str]) -> Path:
    """Return a path, or `DASH` for ``-`` and the devices that mean the same; ``./-`` is a file.

    Raises:
        OptionError: it is no path, or it is an ``s3://`` or ``http(s)://`` address, and invalid, or obstore is not
            installed.
    """
    if isinstance(given, RemotePath):
        return given
    if given_path(given) in _DASHES:
        return DASH
    path = file_or_remote(given)
    return path.absolute() if path == DASH else path


def file_or_dash(given: str | os.PathLike[str]) -> Path:
    """Return what `path_or_dash` does of a job on files.

    Raises:
        OptionError: it is no path, or it is the address of a live stream, of which a path would lose a slash.
    """
    if isinstance(given, str) and is_live(given) and not is_in_bucket(given) and not os.path.lexists(given):
        raise OptionError(f"{address_shown(given)} is the address of a live stream: use LiveJob in place of Job.")
    return path_or_dash(given)


def is_pipe(source: Path) -> bool:
    """Whether a source is standard input, a named pipe, or an open file descriptor that isn't a file."""
    if source == DASH:
        return True
    with suppress(OSError):
        mode = source.stat().st_mode
        is_numbered = _BY_NUMBER.fullmatch(str(source)) and (stat.S_ISREG(mode) or stat.S_ISSOCK(mode))
        return (stat.S_ISFIFO(mode) or bool(is_numbered)) and not is_picture(source)
    return False


def shown(source: Path) -> Path:
    """Return the name of a pipe in messages."""
    return Path(STANDARD_INPUT) if source == DASH else source


@contextmanager
def opened_source(source: Path) -> Iterator[Piped]:
    """Open a pipe to read; nothing is read of it yet.

    Raises:
        InputError: it can't be read, or is a terminal.
    """
    try:
        piped = Connection(_descriptor(source), writable=False)
    except OSError as err:
        raise InputError(f"{shown(source)} can't be read ({err.strerror}).") from err
    with piped, new_copy() as copy:
        if os.isatty(piped.fileno()):
            raise InputError(f"{shown(source)} is a terminal: pipe a video into it, or name a file.")
        yield Piped(piped, copy)


@contextmanager
def reserved_output() -> Iterator[Connection]:
    """Keep standard output for the video: what anything else prints there, in any process, goes to standard error.

    Raises:
        OutputError: standard output is a terminal, or can't be written to.
    """
    if os.isatty(_OUT):
        raise OutputError(f"{STANDARD_OUTPUT} is a terminal: pipe it to a program, or name a file.")
    _flush()
    try:
        own = os.dup(_OUT)
        os.dup2(_ERR, _OUT)
    except OSError as err:
        raise OutputError(f"{STANDARD_OUTPUT} can't be written to ({err.strerror}).") from err
    with Connection(own, readable=False) as pipe:
        try:
            yield pipe
        finally:
            _flush()
            os.dup2(own, _OUT, inheritable=True)


def _descriptor(source: Path) -> int:
    """Return a descriptor of its own for the pipe. Opening a named one doesn't wait for its writer: reading does."""
    if source == DASH:
        return os.dup(_IN)
    numbered = _BY_NUMBER.fullmatch(str(source))
    return os.open(source, os.O_RDONLY | os.O_NONBLOCK) if numbered is None else os.dup(int(numbered[1]))


def _flush() -> None:
    """Flush what the program has printed, if it has a standard output and that is open."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
