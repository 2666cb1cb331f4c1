"""How messages name an option: as the keyword of Python, as the option of the command, or as a deed of the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Reader = Literal["python", "command", "service"]
"""Whoever reads the messages uses the package, the command, or the queue of the service."""

_OF_COMMAND = {
    "format": "-f",
    "options": "-e",
    "part": "--preview",
    "preset": "-c",
    "speed": "--preset",
    "track": "--map",
}
"""Options that are named otherwise than their keywords."""

_OF_SERVICE = {"resume": "a retry", "overwrite": "a job with another target"}
"""What users of the service do in the place of switches that its jobs lack."""

_reader: Reader = "python"


def option(keyword: str, value: str | bool | None = None) -> str:
    """Return how to write an option, with a value if one is given.

    >>> option("size"), option("overwrite", True), option("codec", "h264")
    ('size', 'overwrite=True', 'codec="h264"')
    >>> with named_for_command():
    ...     option("size"), option("overwrite", True), option("codec", "h264")
    ('--size', '--overwrite', '--codec h264')
    """
    if _reader == "service" and value is True and keyword in _OF_SERVICE:
        return _OF_SERVICE[keyword]
    if _reader == "command":
        name = _OF_COMMAND.get(keyword, f"--{keyword.replace('_', '-')}")
        return f"{name} {value}" if isinstance(value, str) else name
    if value is None:
        return keyword
    return f'{keyword}="{value}"' if isinstance(value, str) else f"{keyword}={value}"


def reader() -> Reader:
    """Return whoever options are named for."""
    return _reader


def name_for(new: Reader) -> None:
    """Name options for that reader from now on: in a process that works for it."""
    global _reader
    _reader = new


@contextmanager
def named_for_command() -> Iterator[None]:
    """Name options as those of the command inside, in all threads."""
    global _reader
    before, _reader = _reader, "command"
    try:
        yield
    finally:
        _reader = before
