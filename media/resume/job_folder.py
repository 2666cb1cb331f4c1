"""The parts of a job that may be broken off at any moment: whose they are, and what they were begun with."""

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from sr4k.errors import OptionError, OutputError
from sr4k.media.image_names import is_sequence
from sr4k.media.paths import check_source, free_name
from sr4k.media.resume.journal import Journal, flush_to_disk, open_within
from sr4k.media.writing.target_file import beside, free_partial_of, is_there, partial_of, put
from sr4k.media.writing.write_errors import writing

_SAMPLED = 1 << 16
"""Bytes at both ends of the source that tell it from another."""

_LOCK = "lock"
"""The file that a run holds for as long as it lives."""

_ORPHANS = 10.0
"""Seconds within which the processes of a run that was killed end."""

_TICK = 0.01
"""Seconds between two tries."""

_SPARES = 2
"""File descriptors that a run keeps back, so that it can remove its folder even where it failed for want of more."""

_NO_FILES = {errno.ELOOP, errno.EINVAL, errno.ENOTDIR, errno.EISDIR}
"""What the kernel says of links and the like where plain files should be."""

_NOBODY = 65534
"""Who owns, on shared disks, what root has made."""


class Parts:
    """A target's folder, which is this run's alone for as long as it lives."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder = folder_of(target)
        self.journal = Journal(self.folder)

    @property
    def whole(self) -> Path:
        """What the target is written as, until it is whole."""
        return self.folder / f"whole{self.target.suffix}"

    def make(self) -> None:
        """The folder, if it is not there.

        Raises:
            OutputError: it can't be made, or there is something else of this name.
        """
        try:
            self.folder.mkdir()
        except FileExistsError:
            with suppress(FileNotFoundError):  # it has just been removed
                found = self.folder.lstat()
                if not stat.S_ISDIR(found.st_mode) or _is_foreign(self.folder, found.st_uid):
                    told = f"{self.folder} is a link, or not yours: look what it is, and remove it."
                    raise OutputError(told) from None
        except OSError as err:
            raise OutputError(f"{self.folder} can't be written ({err.strerror}): name another folder.") from err

    def begin(self, facts: Mapping[str, Any], *, resume: bool, overwrite: bool) -> int:
        """Get ready to begin, or to go on.

        Args:
            facts: what the job is, flat: to go on it has to be the same.

        Returns:
            How many frames are done.

        Raises:
            OutputError: it was begun before, and is neither to be resumed nor to be overwritten; or writing failed.
            OptionError: it was begun as something else.
        """
        if not self.journal.is_ours and not overwrite:
            raise OutputError(
                f"{self.target} was begun by another version of sr4k-stream, which alone can go on with it: "
                "--overwrite begins again."
            )
        head, segments = self.journal.head(), self.journal.segments()
        is_part = head is not None and any(key.startswith("part.") for key in head)
        if not head or not segments or is_part or (overwrite and not resume):
            with writing(self.folder):
                left = self.journal.left()
                self.journal.clear()
                self.journal.begin(dict(facts))
                if left is not None:
                    self.journal.note("left", left)
            return 0
        if not resume:
            raise OutputError(
                f"{self.target} was begun before and is not done: add --resume to go on, or --overwrite to begin again."
            )
        if differing := [key for key in sorted({*head, *facts}) if head.get(key) != facts.get(key)]:
            told = ", ".join(f"{key} was {head.get(key)}, is {facts.get(key)}" for key in differing)
            raise OptionError(f"{self.target} can't be resumed: {told}; --overwrite begins again.")
        with writing(self.folder):
            self.journal.trim()
        return sum(segment.frames for segment in segments)

    @property
    def done_until(self) -> int | None:
        """The last pts that is done, in ticks of the decoded video."""
        segments = self.journal.segments()
        return segments[-1].last if segments else None

    def keeps(self, *, is_part: bool) -> bool:
        """Whether there is something to go on from when it was broken off; parts of a video begin anew."""
        return not is_part and self.done_until is not None

    def fate(self, *, is_part: bool) -> str:
        """What is told of it when it was broken off."""
        return "What is done is kept: --resume goes on." if self.keeps(is_part=is_part) else "Nothing was written."

    @property
    def lost(self) -> int:
        """What the source failed to give to those that are done."""
        return sum(segment.lost for segment in self.journal.segments())

    def place(self, *, stopped: bool, overwrite: bool) -> Path:
        """Give what was written a name: the target's, or if it was ``stopped`` that of something unfinished.

        What an earlier run has left goes. Whatever else has such a name stays, unless it is to be overwritten.

        Returns:
            The name: another one, with a number, where there is something that stays.

        Raises:
            OutputError: it can't be.
        """
        output, left = partial_of(self.target) if stopped else self.target, self.left
        with writing(self.folder):
            while not self._placed(output, overwrite=overwrite or output == left):
                output = free_partial_of(self.target) if stopped else free_name(self.target, taken=is_there)
            if left is not None and left != output:
                left.unlink(missing_ok=True)
            flush_to_disk(output.parent)  # before the segments go
        return output

    @property
    def left(self) -> Path | None:
        """What an earlier run has given a name, if it still is what it was. More of it may replace it."""
        told = self.journal.left() or {}
        path = self.target.with_name(Path(str(told.get("name", self.target.name))).name)
        try:
            is_same = path.lstat().st_mtime_ns == told.get("mtime_ns")
        except OSError:
            return None
        return path if is_same else None

    def remove(self) -> None:
        """All of it has a name, or is of no use."""
        with suppress(OSError):  # what is not ours stays, and the folder with it
            self.journal.clear()
            (self.folder / _LOCK).unlink()
            self.folder.rmdir()

    def _placed(self, output: Path, *, overwrite: bool) -> bool:
        self.journal.note("left", {"name": output.name, "mtime_ns": self.whole.stat().st_mtime_ns})
        try:
            put(self.whole, output, overwrite=overwrite)
        except FileExistsError:
            return False
        return True


def folder_of(target: Path) -> Path:
    """Hidden, beside the target."""
    return beside(target, f".{target.name}", ".parts")


@contextmanager
def claimed(target: Path) -> Iterator[Parts]:
    """The parts of a target, for one run at a time. What holds nothing that is worth it is removed at the end.

    Raises:
        OutputError: another run has them, or they can't be written.
    """
    parts = Parts(target)
    descriptor = _lock(parts)
    spares: list[int] = []
    try:
        spares += [os.dup(descriptor) for _ in range(_SPARES)]
        yield parts
    finally:
        for spare in spares:
            os.close(spare)
        with suppress(OSError):
            is_ours = parts.journal.is_ours
            if not any(parts.folder.glob("*.packets")) or (is_ours and not parts.journal.segments()):
                parts.remove()
        os.close(descriptor)


def fingerprint(source: Path) -> dict[str, Any]:
    """What tells a file from another, or from what it was.

    Raises:
        InputError: it is no file that can be read.
    """
    check_source(source)
    if is_sequence(source):
        return {}
    size = source.stat().st_size
    with source.open("rb") as file:
        digest = hashlib.sha256(file.read(_SAMPLED))
        file.seek(max(0, size - _SAMPLED))
        digest.update(file.read(_SAMPLED))
    return {"source.bytes": size, "source.ends": digest.hexdigest()[:16]}


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted keys; what JSON has no word for as text."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        if is_dataclass(value) and not isinstance(value, type):
            found |= flat(asdict(value), f"{prefix}{key}.")
        elif isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value if isinstance(value, str | int | float | bool | None) else str(value)
    return found


def _lock(parts: Parts) -> int:
    """The lock on the folder, which lasts as long as its descriptor."""
    try:
        descriptor = _own(parts, time.monotonic() + _ORPHANS)
        try:
            os.close(parts.journal.hold(_ORPHANS))
        except BaseException:
            os.close(descriptor)
            raise
    except OutputError:
        raise
    except BlockingIOError:
        raise OutputError(f"{parts.target}: processes of a run that was killed have not ended yet.") from None
    except OSError as err:
        if err.errno in _NO_FILES:
            told = f"{parts.folder} has something else in the place of a file of ours: look what it is, and remove it."
            raise OutputError(told) from err
        raise OutputError(f"{parts.folder} can't be written ({err.strerror}).") from err
    return descriptor


def _own(parts: Parts, until: float) -> int:
    while time.monotonic() < until:
        parts.make()
        try:
            descriptor = open_within(parts.folder, _LOCK, os.O_RDWR | os.O_CREAT)  # NFS locks no folders
        except FileNotFoundError:  # a run that ended has just removed the folder
            time.sleep(_TICK)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            told = f"{parts.target} is being written by another run: wait for it, or name another."
            raise OutputError(told) from None
        with suppress(FileNotFoundError):
            if (parts.folder / _LOCK).stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)  # likewise
    raise OutputError(f"{parts.folder} can't be written: it goes away again and again.")


def _is_foreign(folder: Path, owner: int) -> bool:
    """Whether it belongs to neither this user nor to who owns the place: what it holds may be a trap."""
    return owner not in (os.geteuid(), folder.parent.stat().st_uid, _NOBODY)
