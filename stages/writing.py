"""What goes wrong while writing, in the user's words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sr4k.errors import OutputError, Sr4kError

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def writing(folder: Path, *others: type[Exception]) -> Iterator[None]:
    """Around whatever writes to a folder. ``others``: what else it may raise, with the attributes of an `OSError`.

    Raises:
        OutputError: it could not.
    """
    caught: tuple[type[Exception], ...] = (OSError, *others)
    try:
        yield
    except Sr4kError:
        raise
    except caught as err:
        number, words = getattr(err, "errno", None), getattr(err, "strerror", err)
        if number in _FULL:
            told = f"No room is left in {folder}: make some, then add --resume to go on."
            raise OutputError(told) from err
        raise OutputError(f"{folder}: writing failed ({words}).") from err
