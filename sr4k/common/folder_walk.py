"""Walks through a folder and those in it, and tells of what can't be looked into."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from sr4k.errors import InputError

log = logging.getLogger(__name__)


def walked(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield the same as `os.walk`: each folder with the names of folders, which may be taken out, and files in it.

    A folder in it that can't be read is left out with a warning.

    Raises:
        InputError: the folder itself can't be read.
    """

    def tell(error: OSError) -> None:
        if error.filename == os.fspath(folder):
            raise InputError(f"{folder} can't be read ({error.strerror}).") from error
        log.warning("%s can't be read (%s): what is in it is left out.", error.filename, error.strerror)

    return os.walk(folder, onerror=tell)
