"""Errors of writing, translated to the project's own."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sr4k.common.option_names import option
from sr4k.errors import OutputError, Sr4kError

FULL = {errno.ENOSPC, errno.EDQUOT}
"""errno values of a full disk and of an exhausted quota."""


class FullDiskError(OutputError):
    """The disk is full.

    Attributes:
        folder: The folder that was written to.
        is_kept: Whether finished segments are kept, so that the job can be resumed.
    """

    def __init__(self, folder: str, is_kept: bool = False) -> None:
        super().__init__(folder, is_kept)
        self.folder, self.is_kept = folder, is_kept

    def __str__(self) -> str:
        again = option("resume", True)
        onward = f"add {again} to continue" if self.is_kept else "start again: nothing was kept"
        return f"The disk of {self.folder} is full: free some space, then {onward}."


@contextmanager
def writing(folder: Path, *others: type[Exception]) -> Iterator[None]:
    """Translate errors of the block, which writes to a folder.

    Args:
        folder: Named in the error.
        others: Further exceptions to translate, with the attributes of an `OSError`.

    Raises:
        FullDiskError: The disk is full, or the quota used up.
        OutputError: Writing failed for another reason.
        Sr4kError: Raised by the block, and passed on.
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
