"""How messages name an option: as the keyword of Python, or as the option of the command where that is what runs."""

from collections.abc import Iterator
from contextlib import contextmanager

_OF_COMMAND = {
    "format": "-f",
    "options": "-e",
    "part": "--preview",
    "preset": "-c",
    "speed": "--preset",
    "track": "--map",
}
"""Options that are named otherwise than their keywords."""

_is_command = False


def option(keyword: str, value: str | bool | None = None) -> str:
    """Return how to write an option, with a value if one is given.

    >>> option("size"), option("overwrite", True), option("codec", "h264")
    ('size', 'overwrite=True', 'codec="h264"')
    >>> with named_for_command():
    ...     option("size"), option("overwrite", True), option("codec", "h264")
    ('--size', '--overwrite', '--codec h264')
    """
    if _is_command:
        name = _OF_COMMAND.get(keyword, f"--{keyword.replace('_', '-')}")
        return f"{name} {value}" if isinstance(value, str) else name
    if value is None:
        return keyword
    return f'{keyword}="{value}"' if isinstance(value, str) else f"{keyword}={value}"


def is_named_for_command() -> bool:
    """Whether options are named as those of the command."""
    return _is_command


def name_for_command() -> None:
    """Name options as those of the command from now on: in a process that works for it."""
    global _is_command
    _is_command = True


@contextmanager
def named_for_command() -> Iterator[None]:
    """Name options as those of the command inside, in all threads."""
    global _is_command
    before, _is_command = _is_command, True
    try:
        yield
    finally:
        _is_command = before
