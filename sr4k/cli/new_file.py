"""Checks a file that a command writes at its end before the work for it begins."""

import os
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryFile

from sr4k.errors import OptionError, OutputError
from sr4k.media.writing.target_file import already_there, check_folder


def check_new_file(target: Path, suffixes: Collection[str], *, overwrite: bool) -> None:
    """Refuse a file that could not be written.

    Args:
        target: of the file.
        suffixes: in lower case, one of which its name must have.
        overwrite: whether an existing file may be replaced.

    Raises:
        OptionError: the name has another suffix.
        OutputError: its folder is missing or can't be written to, or there is a folder of that name, or a file that may
            not be replaced.
    """
    if target.suffix.lower() not in suffixes:
        raise OptionError(f"{target} has to end in {' or '.join(sorted(suffixes))}.")
    if target.is_dir():
        raise OutputError(f"{target} is a folder: name a file in it.")
    folder = target.absolute().parent
    if not folder.exists():
        raise OutputError(f"{target} can't be written, as the folder {folder} does not exist: create it first.")
    check_folder(folder, target.name)
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as err:
        raise OutputError(f"{target} can't be written: no file can be made in {folder} ({err.strerror}).") from err
    if os.path.lexists(target) and not overwrite:
        raise already_there(target)
