"""What goes wrong while writing, in the user's words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sr4k.errors import OutputError, Sr4kError

FULL = {errno.ENOSPC, errno.EDQUOT}
"""Numbers of errors: no room on the disk, or none left of one's share of it."""


class FullDiskError(OutputError):
    """No room is left.

    Attributes:
        folder: where.
        is_kept: whether what is done is kept, and can be resumed.
    """

    def __init__(self, folder: str, is_kept: bool = False) -> None:
        super().__init__(folder, is_kept)
        self.folder, self.is_kept = folder, is_kept

    def __str__(self) -> str:
        onward = "add --resume to go on" if self.is_kept else "begin again: nothing of it is kept"
        return f"No room is left in {self.folder}: make some, then {onward}."


@contextmanager
def writing(folder: Path, *others: type[Exception]) -> Iterator[None]:
    """Around whatever writes to a folder. ``others``: what else it may raise, with the attributes of an `OSError`.

    Raises:
        OutputError: it could not; a `FullDiskError` where no room is left.
    """
    caught: tuple[type[Exception], ...] = (OSError, *others)
    try:
        yield
    except Sr4kError:
        raise
    except caught as err:
        number, words = getattr(err, "errno", None), getattr(err, "strerror", err)
        if number in FULL:
            raise FullDiskError(str(folder)) from err
        raise OutputError(f"{folder}: writing failed ({words}).") from err
