"""Paths as a caller or a command line gives them, checked before anything is made of them."""

import os

from sr4k.errors import OptionError


def given_path(given: object, name: str = "A path") -> str:
    """Return a path, or an address in the place of one, as text.

    An empty one is refused, as ``Path("")`` is the current folder: a shell's variable that is not set would stand for
    all videos in it.

    Args:
        given: text, or a path of text.
        name: what it is, for errors.

    Raises:
        OptionError: it is of another type, empty, or has a NUL character, which no path has.
    """
    text = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(text, str):
        raise OptionError(f"{name} can't be {given!r}: it must be a path.")
    if not text:
        raise OptionError(f"{name} can't be empty: name a file, or a folder, such as . for this one.")
    if "\0" in text:
        raise OptionError(f"{name} can't be {text!r}: no path has a NUL character.")
    return text


def name_or_path(given: object) -> object:
    """Return a path as text, and anything else as it is: for what may be named by its name or by its path."""
    return os.fspath(given) if isinstance(given, os.PathLike) else given
