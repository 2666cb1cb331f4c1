"""Names of results: which may be written, and how a result appears under its name whole or not at all."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sr4k.common.option_names import option
from sr4k.errors import OptionError, OutputError
from sr4k.media.image_names import files_of, is_picture, is_sequence, number_in, numbered, numbers, stands_for
from sr4k.media.paths import free_name
from sr4k.media.remote_path import RemotePath
from sr4k.media.writing.containers import container_of

PARTIAL = ".partial"
"""Suffix of the stem of an incomplete result."""

_LONGEST_NAME = 255
"""Maximum length of a name in bytes, where the file system doesn't report one."""

_DIGITS = 8
"""Bytes by which the name of a picture may be longer than the pattern of its sequence."""


def check_target(target: Path, source: Path, *, overwrite: bool) -> None:
    """Refuse a target that can't be written.

    Args:
        target: File, or pattern of an image sequence.
        source: File, pattern or folder that is read.
        overwrite: Whether an existing target may be replaced.

    Raises:
        OptionError: The name has no suffix, or one of no container, or is the source's, a pipe's, or an address.
        OutputError: The folder can't be written to, the name is too long, or the target exists or is another user's.
    """
    if isinstance(target, RemotePath):
        raise OptionError(f"{target} can be written by a cluster alone: name a file, or let a cluster make it.")
    if len(os.fsencode(target.name)) > _longest_name(target.parent):
        raise OutputError(f"The name {target.name} is too long for a file: choose a shorter one.")
    check_regular(target)
    if not target.suffix:
        raise OptionError(f"{target} has no suffix to choose a container by: try {target}.mp4.")
    if not is_picture(target):
        container_of(target)
    if target.is_dir():
        raise OutputError(f"{target} is a folder: name a file in it.")
    if is_sequence(target) and is_sequence(source) and target.resolve() == source.resolve():
        raise OptionError(f"{target} is the source itself: choose another name.")
    if is_sequence(target) and numbers(target) and not overwrite:
        raise already_there(files_of(target)[0])
    if target.exists() and source.exists() and target.samefile(source):
        raise OptionError(f"{target} is the source itself: choose another name.")
    if os.path.lexists(target) and not overwrite:
        raise already_there(target)
    check_folder(target.parent, target.name)
    for file in files_of(target):
        _check_replaceable(file)


def check_regular(target: Path) -> None:
    """Refuse a pipe or a device as a target, such as a shell's ``>(…)``, whatever it is called.

    Raises:
        OptionError: it is one.
    """
    if isinstance(target, RemotePath):
        return
    try:
        mode = target.stat().st_mode
    except OSError:  # there is nothing yet, or it can't be reached, which is told where it is written to
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OptionError(
            f"{target} isn't a regular file, but a pipe or a device: choose another name, or - > {target}."
        )


def check_folder(folder: Path, content: str) -> None:
    """Check that files can be written to a folder that exists or will be made.

    Args:
        folder: The folder.
        content: What will be in it, for errors.

    Raises:
        OutputError: It is a file, or lies in one, or can't be written to.
    """
    found = existing_folder(folder / content)
    if not found.is_dir():
        raise OutputError(f"{found} is a file: it can't be the folder of {content}.")
    if not os.access(found, os.W_OK):
        raise OutputError(f"The folder {found} can't be written to: check its permissions.")


def _check_replaceable(target: Path) -> None:
    """Refuse a file of another user's in a folder, such as /tmp, where users can replace their own files alone.

    Raises:
        OutputError: It is one.
    """
    try:
        folder, file = target.parent.stat(), target.lstat()
    except OSError:  # there is nothing to replace
        return
    if folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, folder.st_uid, file.st_uid):
        raise OutputError(f"{target} belongs to another user, who alone can replace it there: choose another name.")


def check_apart(target: Path, others: Iterable[Path]) -> None:
    """Refuse a further output that would replace the result, its source, or another output.

    Args:
        target: The further output.
        others: Files that must differ from it.

    Raises:
        OptionError: Two of the names mean the same file.
    """
    for other in others:
        if _same(target, other):
            raise OptionError(f"{target} is the same file as {other}: choose another name.")


def existing_folder(target: Path) -> Path:
    """Return the target's folder, or its nearest parent that exists.

    Raises:
        OutputError: The current folder, to which the name is relative, has been deleted.
    """
    try:
        return next(each for each in target.absolute().parents if each.exists())
    except OSError as err:
        raise OutputError(f"The folder of {target} can't be written to ({err.strerror}).") from err


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Yield a hidden name beside the target to write to; at the end, remove what was not renamed."""
    partial = beside(target, f".{target.stem}", f".{os.getpid()}.part{target.suffix}")
    try:
        yield partial
    finally:
        with suppress(OSError):
            for file in files_of(partial):
                file.unlink(missing_ok=True)


def place(written: Path, target: Path, *, overwrite: bool) -> None:
    """Rename what was written to its target; of a sequence, each picture.

    Raises:
        OutputError: The target has appeared meanwhile and may not be replaced: the result has a free name beside it.
    """
    free = target
    while not _placed(written, free, overwrite=overwrite):
        free = free_name(free, taken=is_there)
    if free != target:
        raise appeared(target, free)


def is_there(target: Path) -> bool:
    """Whether anything has that name, even a broken link; of a sequence, whether any picture exists."""
    return os.path.lexists(target) or (is_sequence(target) and bool(numbers(target)))


def put(file: Path, target: Path, *, overwrite: bool) -> None:
    """Rename a file to its target.

    Raises:
        FileExistsError: The target exists and may not be replaced.
    """
    if overwrite:
        file.replace(target)
        return
    try:
        target.hardlink_to(file)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: reserve the name first
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        file.replace(target)
    else:
        file.unlink()


def already_there(path: Path) -> OutputError:
    """Return the error for a file that exists and is not to be overwritten."""
    return OutputError(f"{path} exists: choose another name, or add {option('overwrite', True)}.")


def appeared(target: Path, free: Path) -> OutputError:
    """Return the error for a target that has appeared since the job began."""
    return OutputError(f"{target} has appeared meanwhile and was not replaced: the result is {free}.")


def partial_of(target: Path) -> Path:
    """Return the name of a result that was ended early."""
    return beside(target, target.stem, f"{PARTIAL}{target.suffix}")


def free_partial_of(target: Path) -> Path:
    """Return `partial_of` the target, with a number if that name is taken."""
    return partial_of(free_name(target, taken=lambda each: is_there(partial_of(each))))


def beside(target: Path, stem: str, tail: str) -> Path:
    """Return the name ``stem`` + ``tail`` in the target's folder; a stem that is too long is cut and gets a hash."""
    room = _longest_name(target.parent) - len(os.fsencode(tail))
    sequence = number_in(stem)
    if len(os.fsencode(stem)) + (0 if sequence is None else _DIGITS) > room:
        mark = f"~{hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]}"
        kept = os.fsencode(stem)[: room - len(mark)].decode(errors="ignore") if sequence is None else f".{sequence}"
        stem = f"{kept}{mark}"
    return target.with_name(f"{stem}{tail}")


def _placed(written: Path, target: Path, *, overwrite: bool) -> bool:
    """Rename what was written, of a sequence all pictures or none; return whether no name was taken."""
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
