"""Folders of files that were made for the page, such as pictures to compare: the last ones are kept."""

import shutil
import threading
from collections import OrderedDict
from pathlib import Path
from tempfile import mkdtemp
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Made(NamedTuple, Generic[T]):
    """A ``folder``, and what is known of it."""

    folder: Path
    about: T


class Shelf(Generic[T]):
    """Keeps folders under names, and deletes those that have to go. Any thread may use it.

    Args:
        home: folder for their folders.
        room: number of folders that are kept; those that were put there first go first.
    """

    def __init__(self, home: Path, room: int) -> None:
        self._home, self._room = home, room
        self._made: OrderedDict[str, Made[T]] = OrderedDict()
        self._lock = threading.Lock()

    def new_folder(self) -> Path:
        """Return a new empty folder, which nobody keeps yet."""
        return Path(mkdtemp(dir=self._home))

    def put(self, name: str, folder: Path, about: T) -> None:
        """Keep a folder under a name, in place of the one that had it."""
        with self._lock:
            gone = [self._made.pop(name, None)]
            self._made[name] = Made(folder, about)
            if len(self._made) > self._room:
                gone.append(self._made.popitem(last=False)[1])
        for each in gone:
            if each is not None:
                discard(each.folder)

    def get(self, name: str) -> Made[T] | None:
        """Return what is kept under a name; ``None``: nothing is, or not any more."""
        return self._made.get(name)

    def all(self) -> list[T]:
        """Return what is known of all folders, those that were put there first first."""
        with self._lock:
            return [each.about for each in self._made.values()]

    def forget(self, name: str) -> T | None:
        """Delete a folder, and return what was known of it; ``None``: there was none of that name."""
        with self._lock:
            gone = self._made.pop(name, None)
        if gone is None:
            return None
        discard(gone.folder)
        return gone.about


def content_of(path: Path) -> bytes | None:
    """Return what is in a file of such a folder, which may be deleted at any moment; ``None``: it is gone."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def discard(folder: Path) -> None:
    """Delete a folder that was made in vain, as far as that is possible."""
    shutil.rmtree(folder, ignore_errors=True)
