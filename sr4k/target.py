"""Where results go: what may be written, and how it appears whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sr4k.errors import OptionError, OutputError
from sr4k.stages.containers import container_of
from sr4k.stages.sequence import files_of, is_picture, is_sequence, numbered, numbers


def check_target(target: Path, source: Path, *, overwrite: bool) -> None:
    """See to it that a file can be written there.

    Raises:
        OptionError: the name has no suffix, or one of no container, or is the source's.
        OutputError: the folder can't be written to, or the file exists.
    """
    if not target.suffix:
        raise OptionError(f"{target} has no suffix to choose a container by: try {target}.mp4.")
    if not is_picture(target):
        container_of(target)
    if target.is_dir():
        raise OutputError(f"{target} is a folder: name a file in it.")
    if is_sequence(target) and is_sequence(source) and target.resolve() == source.resolve():
        raise OptionError(f"{target} is the source itself: choose another name.")
    if is_sequence(target) and numbers(target) and not overwrite:
        raise OutputError(f"{files_of(target)[0]} exists: choose another name, or add --overwrite.")
    if target.exists():
        if source.exists() and target.samefile(source):
            raise OptionError(f"{target} is the source itself: choose another name.")
        if not overwrite:
            raise OutputError(f"{target} exists: choose another name, or add --overwrite.")
    folder = existing_folder(target)
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file: it can't be the folder of {target.name}.")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"The folder {folder} can't be written to: check its permissions.")


def existing_folder(target: Path) -> Path:
    """The target's folder, or where that is to be made, the nearest above it that there is."""
    return next(each for each in target.absolute().parents if each.exists())


@contextmanager
def folder_made(folder: Path) -> Iterator[None]:
    """Make the folder where it is missing; at the end, what was made goes again if nothing was written there.

    Raises:
        OutputError: it can't be made.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputError(f"The folder {folder} can't be made ({err.strerror}).") from err
    try:
        yield
    finally:
        with suppress(OSError):  # somebody's files are in it
            for each in missing:
                each.rmdir()


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """A hidden name beside the target to write to; what is there at the end, and was not renamed, is removed."""
    partial = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        yield partial
    finally:
        with suppress(OSError):
            for file in files_of(partial):
                file.unlink(missing_ok=True)


def place(partial: Path, target: Path) -> None:
    """Give what was written its name; each picture of a sequence its own."""
    if is_sequence(partial):
        for number in numbers(partial):
            numbered(partial, number).replace(numbered(target, number))
    else:
        partial.replace(target)
