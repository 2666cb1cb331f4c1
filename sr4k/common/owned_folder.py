"""Folders for temporary files that are removed even if their owner is killed: by who makes the next one there."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "sr4k."
"""Beginning of their names; short, as the paths of sockets below them have at most 107 characters."""


@dataclass(frozen=True, slots=True)
class OwnedFolder:
    """A folder for temporary files. It is owned while any process has its descriptor open.

    Attributes:
        path: of the folder.
        lock: descriptor that holds it; processes that are to own it too inherit it.
    """

    path: Path
    lock: int


@contextmanager
def owned_folder(inside: Path | None = None) -> Iterator[OwnedFolder]:
    """Make a folder, and remove it at the end; before, remove those whose owners have died.

    The owner is whoever holds a lock on the folder, which the kernel releases when the last of them ends.

    Args:
        inside: folder that it is made in; ``None``: `tempfile.gettempdir`.

    Raises:
        OSError: it can't be made.
    """
    inside = inside or Path(tempfile.gettempdir())
    remove_ownerless(inside)
    folder = _made(inside)
    try:
        yield folder
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)
        os.close(folder.lock)


def remove_ownerless(inside: Path) -> None:
    """Remove the folders of this user in another whose owners have died."""
    for path in inside.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, no folder, owned, or removed meanwhile
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _made(inside: Path) -> OwnedFolder:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=inside))
        with suppress(FileNotFoundError):  # another process took it for ownerless before it was locked
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            if _owns(path, lock):
                return OwnedFolder(path, lock)
            os.close(lock)


def _owns(path: Path, lock: int) -> bool:
    """Lock a folder that was just made; return whether it is still there, and nobody is about to remove it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nobody removes anything there
        return True
    return path.exists()
