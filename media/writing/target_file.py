"""Where results go: what may be written, and how it appears whole or not at all."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sr4k.errors import OptionError, OutputError
from sr4k.media.image_names import files_of, is_picture, is_sequence, number_in, numbered, numbers, stands_for
from sr4k.media.paths import free_name
from sr4k.media.writing.containers import container_of

PARTIAL = ".partial"
"""How the stem of a result ends that is not whole."""

_LONGEST_NAME = 255
"""Bytes, where the file system does not tell."""

_DIGITS = 8
"""By which the name of a picture may be longer than that of its sequence."""


def check_target(target: Path, source: Path, *, overwrite: bool) -> None:
    """See to it that a file can be written there.

    Raises:
        OptionError: the name has no suffix, or one of no container, or is the source's.
        OutputError: the folder can't be written to, or the file exists.
    """
    if len(os.fsencode(target.name)) > _longest_name(target.parent):
        raise OutputError(f"The name {target.name} is too long for a file: choose a shorter one.")
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
    if target.exists() and source.exists() and target.samefile(source):
        raise OptionError(f"{target} is the source itself: choose another name.")
    if os.path.lexists(target) and not overwrite:
        raise OutputError(f"{target} exists: choose another name, or add --overwrite.")
    if os.path.lexists(target) and not target.is_file() and not target.is_symlink():
        raise OutputError(f"{target} is no file, such as a pipe or a device: choose another name.")
    folder = existing_folder(target)
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file: it can't be the folder of {target.name}.")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"The folder {folder} can't be written to: check its permissions.")


def check_apart(target: Path, others: Iterable[Path]) -> None:
    """See to it that what is written beside the result replaces neither it nor what it is made of.

    Raises:
        OptionError: two of the names mean the same file.
    """
    for other in others:
        if _same(target, other):
            raise OptionError(f"{target} is the same file as {other}: choose another name.")


def existing_folder(target: Path) -> Path:
    """The target's folder, or where that is to be made, the nearest above it that there is.

    Raises:
        OutputError: the folder that it is counted from has been deleted.
    """
    try:
        return next(each for each in target.absolute().parents if each.exists())
    except OSError as err:
        raise OutputError(f"The folder of {target} can't be written to ({err.strerror}).") from err


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
    partial = beside(target, f".{target.stem}", f".{os.getpid()}.part{target.suffix}")
    try:
        yield partial
    finally:
        with suppress(OSError):
            for file in files_of(partial):
                file.unlink(missing_ok=True)


def place(written: Path, target: Path, *, overwrite: bool) -> None:
    """Give what was written its name; each picture of a sequence its own.

    Raises:
        OutputError: there is something of that name by now, which is not to be replaced: it has got another.
    """
    free = target
    while not _placed(written, free, overwrite=overwrite):
        free = free_name(free, taken=is_there)
    if free != target:
        raise appeared(target, free)


def is_there(target: Path) -> bool:
    """Whether there is anything of that name, if only a link that leads nowhere; or a picture of a sequence."""
    return os.path.lexists(target) or (is_sequence(target) and bool(numbers(target)))


def put(file: Path, target: Path, *, overwrite: bool) -> None:
    """Rename a file.

    Raises:
        FileExistsError: there is something of that name, which is not to be replaced.
    """
    if overwrite:
        file.replace(target)
        return
    try:
        target.hardlink_to(file)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: the name is taken first
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        file.replace(target)
    else:
        file.unlink()


def appeared(target: Path, free: Path) -> OutputError:
    """What to tell of a target that was not there when it was begun."""
    return OutputError(f"{target} has appeared meanwhile and is left alone: the result is {free}.")


def partial_of(target: Path) -> Path:
    """What a result is called that was ended early."""
    return beside(target, target.stem, f"{PARTIAL}{target.suffix}")


def free_partial_of(target: Path) -> Path:
    """The same, with a number where there is something of that name."""
    return partial_of(free_name(target, taken=lambda each: is_there(partial_of(each))))


def beside(target: Path, stem: str, tail: str) -> Path:
    """The name of these two in the target's folder. Where it is too long the stem is cut, but stays one of its own."""
    room = _longest_name(target.parent) - len(os.fsencode(tail))
    sequence = number_in(stem)
    if len(os.fsencode(stem)) + (0 if sequence is None else _DIGITS) > room:
        mark = f"~{hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]}"
        kept = os.fsencode(stem)[: room - len(mark)].decode(errors="ignore") if sequence is None else f".{sequence}"
        stem = f"{kept}{mark}"
    return target.with_name(f"{stem}{tail}")


def _placed(written: Path, target: Path, *, overwrite: bool) -> bool:
    """Whether it could be done: all pictures of a sequence, or none."""
    if not is_sequence(written):
        files = {written: target}
    elif overwrite or not is_there(target):
        files = {numbered(written, number): numbered(target, number) for number in numbers(written)}
    else:
        return False
    done: dict[Path, Path] = {}
    for file, name in files.items():
        try:
            put(file, name, overwrite=overwrite)
        except FileExistsError:
            for earlier, placed in done.items():
                placed.replace(earlier)
            return False
        done[file] = name
    return True


def _same(one: Path, other: Path) -> bool:
    if one.resolve() == other.resolve() or stands_for(one, other) or stands_for(other, one):
        return True
    return one.exists() and other.exists() and one.samefile(other)


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        return _LONGEST_NAME
