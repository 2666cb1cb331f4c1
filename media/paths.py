"""Paths of files: checks before reading, and how to pass them to libav."""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sr4k.errors import InputError
from sr4k.media.image_names import is_sequence, numbered, numbers
from sr4k.media.remote_path import RemotePath

_BY_NUMBER = re.compile(r"/dev/(stdin|fd/\d+)|/proc/(self|\d+)/fd/\d+")
"""Paths of open file descriptors, such as standard input or a shell's ``<(...)``."""

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def for_libav(path: Path) -> str:
    """Return the path in a form that libav reads as a file; it takes the part before a colon for a protocol."""
    return str(path) if path.is_absolute() else f"./{path}"


def free_name(path: Path, taken: Callable[[Path], bool] = Path.exists) -> Path:
    """Return the first of the path itself, NAME-2, NAME-3 and so on for which ``taken`` is false."""
    number, free = 1, path
    while taken(free):
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def check_source(path: Path) -> None:
    """Check that a file or image sequence exists and can be read.

    Raises:
        InputError: it doesn't exist, is not a regular file, or can't be read.
        OSError: the process has too many open files.
    """
    if is_sequence(path):
        with _in_words(str(path)):
            first = next(iter(numbers(path)), None)
        if first is None:
            raise InputError(f"{path} does not exist: no file in its folder has such a name with a number.")
        path = numbered(path, first)
    check_file(path)


def check_file(path: Path, shown: str | None = None) -> None:
    """Check that a path is a regular file, which several processes can open, seek in, and read more than once.

    Args:
        path: the file.
        shown: its name in errors, if not the path.

    Raises:
        InputError: it doesn't exist, is not a regular file, or can't be read.
        OSError: the process has too many open files.
    """
    name = shown or str(path)
    if _BY_NUMBER.fullmatch(str(path)):
        raise InputError(f"{name} can't be read: a video must be a regular file, so save the data to a file first.")
    with _in_words(name):
        found = path.stat()
        mode = found.st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{name} is a folder, not a video file.")
        if not stat.S_ISREG(mode):
            kind = _KINDS.get(stat.S_IFMT(mode), "not a regular file")
            raise InputError(f"{name} is {kind}: a video must be a regular file, so save the data to a file first.")
        if isinstance(path, RemotePath):  # a part of it was read for its size
            if not found.st_size:
                raise InputError(f"{name} is empty.")
        else:
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
            raise InputError(f"{name} is a symbolic link that leads back to itself.") from err
        if err.errno in (errno.EMFILE, errno.ENFILE):
            raise
        raise InputError(f"{name} can't be read ({err.strerror}).") from err
