"""Folders that are created for results, and removed again if nothing comes of them and no other job uses them."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sr4k.errors import OutputError

_PATIENCE = 1.0
"""Seconds to wait for a job that removes the folder; another program may hold it for ever."""

_TICK = 0.01
"""Seconds between two attempts."""


@contextmanager
def folder_made(folder: Path) -> Iterator[None]:
    """Create the folder and its parents; at the end, remove those that were created and are empty.

    A folder that another job has been given meanwhile stays, even if nothing is in it yet.

    Raises:
        OutputError: The folder can't be created.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        held = _held(folder)
    except OSError as err:
        raise OutputError(f"The folder {folder} can't be created ({err.strerror}).") from err
    try:
        yield
    finally:
        if not _is_held_by_others(held):
            with suppress(OSError):  # it is not empty
                for each in missing:
                    each.rmdir()
        if held is not None:
            os.close(held)


def _held(folder: Path) -> int | None:
    """Create a folder, and return a descriptor that shares a lock on it; ``None``: it can't be opened.

    Raises:
        OSError: It can't be created.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # its last job has just removed it
            continue
        except OSError:
            return None
        if (_shares_lock(held) or time.monotonic() > until) and _is_there(folder, held):
            return held
        os.close(held)
        time.sleep(_TICK)


def _shares_lock(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # not every file system has locks
        return True
    return True


def _is_there(folder: Path, held: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(held))
    except FileNotFoundError:
        return False


def _is_held_by_others(held: int | None) -> bool:
    try:
        if held is not None:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # as above
        return False
    return False
