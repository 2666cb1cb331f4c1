"""The parts of a job that may be broken off at any moment: whose they are, and what they were begun with."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sr4k.errors import OptionError, OutputError
from sr4k.stages.journal import Journal, flush_to_disk
from sr4k.stages.writing import writing

_SAMPLED = 1 << 16
"""Bytes at both ends of the source that tell it from another."""

_LOCK = "lock"
"""The file that a run holds for as long as it lives."""

_ORPHANS = 10.0
"""Seconds within which the processes of a run that was killed end."""


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
        head, segments = self.journal.head(), self.journal.segments()
        is_part = head is not None and head.get("part", "None") != "None"
        if not head or not segments or is_part or (overwrite and not resume):
            with writing(self.folder):
                self._clear()
                self.journal.begin(dict(facts))
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

    @property
    def lost(self) -> int:
        """What the source failed to give to those that are done."""
        return sum(segment.lost for segment in self.journal.segments())

    def place(self, output: Path) -> None:
        """Give what is done its name. Whatever happens then, more of it may replace it.

        Raises:
            OutputError: it can't be.
        """
        with writing(self.folder):
            self.journal.note("left", {"name": output.name, "mtime_ns": self.whole.stat().st_mtime_ns})
            self.whole.replace(output)
            flush_to_disk(output.parent)  # before the segments go

    def has_left(self, target: Path) -> bool:
        """Whether that is what an earlier run left."""
        left = self.journal.left()
        return (
            left is not None
            and target.exists()
            and left == {"name": target.name, "mtime_ns": target.stat().st_mtime_ns}
        )

    def remove(self) -> None:
        """The target is there."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.name != _LOCK:
                path.unlink()


def folder_of(target: Path) -> Path:
    """Hidden, beside the target."""
    return target.with_name(f".{target.name}.parts")


@contextmanager
def claimed(target: Path) -> Iterator[Parts]:
    """The parts of a target, for one run at a time. What holds nothing that is worth it is removed at the end.

    Raises:
        OutputError: another run has them, or they can't be written.
    """
    parts = Parts(target)
    descriptor = _lock(parts)
    try:
        yield parts
    finally:
        if parts.folder.exists() and not parts.journal.segments():
            parts.remove()
        os.close(descriptor)


def fingerprint(source: Path) -> dict[str, Any]:
    """What tells a file from another, or from what it was."""
    if not source.is_file():
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
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value if isinstance(value, str | int | float | bool | None) else str(value)
    return found


def _lock(parts: Parts) -> int:
    """The lock on the folder, which lasts as long as its descriptor."""
    path = parts.folder / _LOCK
    while True:
        try:
            parts.folder.mkdir(exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)  # NFS locks no folders
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            continue  # a run that ended has just removed the folder
        except BlockingIOError:
            os.close(descriptor)
            raise OutputError(
                f"{parts.target} is being written by another run: wait for it, or name another."
            ) from None
        except OSError as err:
            raise OutputError(f"{parts.folder} can't be written ({err.strerror}).") from err
        if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
            break
        os.close(descriptor)  # likewise
    try:
        os.close(parts.journal.hold(_ORPHANS))
    except BlockingIOError:
        os.close(descriptor)
        raise OutputError(f"{parts.target}: processes of a run that was killed have not ended yet.") from None
    except OSError as err:
        os.close(descriptor)
        raise OutputError(f"{parts.folder} can't be written ({err.strerror}).") from err
    return descriptor
