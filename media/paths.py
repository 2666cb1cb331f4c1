"""Paths of files: which may be read, and how they are told to libav."""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sr4k.errors import InputError
from sr4k.media.image_names import is_sequence, numbered, numbers

_BY_NUMBER = re.compile(r"/dev/(stdin|fd/\d+)|/proc/(self|\d+)/fd/\d+")
"""What is open already, such as standard input or ``<(...)`` of a shell."""

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def for_libav(path: Path) -> str:
    """The path as libav takes it for nothing else: a name with a colon in it would be a protocol's."""
    return str(path) if path.is_absolute() else f"./{path}"


def free_name(path: Path, taken: Callable[[Path], bool] = Path.exists) -> Path:
    """The path, or NAME-2, NAME-3 and so on, the first that is not taken."""
    number, free = 1, path
    while taken(free):
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def check_source(path: Path) -> None:
    """See to it that there is such a file, or such a sequence, and that it may be read.

    Raises:
        InputError: it is not so.
    """
    if is_sequence(path):
        first = next(iter(numbers(path)), None)
        if first is None:
            raise InputError(f"{path} does not exist: there is no picture with such a name and a number.")
        path = numbered(path, first)
    check_file(path)


def check_file(path: Path, shown: str | None = None) -> None:
    """See to it that it is one that can be read from any place in it, and more than once, by several processes.

    ``shown``: what it is called in errors, if not by its path.

    Raises:
        InputError: it is not so.
    """
    name = shown or str(path)
    if _BY_NUMBER.fullmatch(str(path)):
        raise InputError(f"{name} can't be read: a video has to be a file, so save what comes through it to one first.")
    with _in_words(name):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{name} is a folder, not a video file.")
        if not stat.S_ISREG(mode):
            kind = _KINDS.get(stat.S_IFMT(mode), "no file")
            raise InputError(f"{name} is {kind}: a video has to be a file, so save what comes through it to one first.")
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except PermissionError as err:
        raise InputError(f"{name} may not be read: check its permissions.") from err
    except OSError as err:
        if err.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise InputError(f"{name} does not exist.") from err
        if err.errno == errno.ELOOP:
            raise InputError(f"{name} is a link that leads in a circle.") from err
        if err.errno in (errno.EMFILE, errno.ENFILE):
            raise
        raise InputError(f"{name} can't be read ({err.strerror}).") from err
