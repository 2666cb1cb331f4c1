"""Folder of a job that may be interrupted at any moment: its lock, its journal and its unfinished result."""

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

from sr4k.common.option_names import option
from sr4k.errors import OptionError, OutputError
from sr4k.media.image_names import is_sequence
from sr4k.media.paths import check_source, free_name
from sr4k.media.resume.bucket_pool import BucketPool
from sr4k.media.resume.journal import Journal, flush_to_disk, open_within
from sr4k.media.resume.pool import FOLDER, Pool
from sr4k.media.writing.target_file import beside, free_partial_of, is_there, partial_of, put
from sr4k.media.writing.write_errors import writing

_SAMPLED = 1 << 16
"""Number of bytes at both ends of the source that its fingerprint covers."""

_LOCK = "lock"
"""File that a run keeps locked until it ends."""

_ORPHANS = 10.0
"""Maximum number of seconds to wait for the processes of a killed run to end."""

_TICK = 0.01
"""Seconds between two attempts to take the lock."""

_SPARES = 2
"""File descriptors that a run keeps back, so that it can remove its folder even where it failed for want of more."""

_NO_FILES = {errno.ELOOP, errno.EINVAL, errno.ENOTDIR, errno.EISDIR}
"""errno values for links and the like in the place of regular files."""

_NOBODY = 65534
"""User id of root's files on shared disks (NFS with root_squash)."""


class Parts:
    """The folder of a target, with what is finished of the job.

    Attributes:
        target: The job's target.
        folder: The folder beside it.
        journal: The journal in it.
        pool: Segments that other machines have finished, and that are not in the journal yet.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder = folder_of(target)
        self.journal = Journal(self.folder)
        self.pool: Pool | BucketPool = Pool(self.folder / FOLDER)

    @property
    def whole(self) -> Path:
        """File that is written until the result is complete."""
        return self.folder / f"whole{self.target.suffix}"

    def make(self) -> None:
        """Create the folder if there is none.

        Raises:
            OutputError: It can't be created, or something else has this name.
        """
        try:
            self.folder.mkdir()
        except FileExistsError:
            with suppress(FileNotFoundError):  # another run has just removed it
                found = self.folder.lstat()
                if not stat.S_ISDIR(found.st_mode) or _is_foreign(self.folder, found.st_uid):
                    message = f"{self.folder} is a link, or another user's: check what it is, and remove it."
                    raise OutputError(message) from None
        except OSError as err:
            raise OutputError(f"{self.folder} can't be written ({err.strerror}): name another folder.") from err

    def begin(self, facts: Mapping[str, Any], *, resume: bool, overwrite: bool) -> int:
        """Begin the job, or resume it.

        Args:
            facts: What the result depends on, as a flat mapping; it must not change between runs.
            resume: Whether an unfinished job may be resumed.
            overwrite: Whether an unfinished job may be discarded.

        Returns:
            Number of finished frames.

        Raises:
            OutputError: The job is unfinished, and is neither to be resumed nor overwritten; or writing failed.
            OptionError: The unfinished job has other facts.
        """
        if self.goes_on(facts, resume=resume, overwrite=overwrite):
            with writing(self.folder):
                self.journal.trim()
            return sum(segment.frames for segment in self.journal.segments())
        with writing(self.folder):
            left = self.journal.left()
            self.journal.clear()
            self.pool.remove()
            self.journal.begin(dict(facts))
            if left is not None:
                self.journal.note("left", left)
        return 0

    def goes_on(self, facts: Mapping[str, Any], *, resume: bool, overwrite: bool) -> bool:
        """Whether `begin` would resume an earlier run, by what is there now; for arguments and errors see there."""
        if not self.journal.is_ours and not overwrite:
            raise OutputError(
                f"{self.target} was begun by another version of sr4k-stream, and only that can resume it: "
                f"{option('overwrite', True)} starts again."
            )
        if not self.is_unfinished or (overwrite and not resume):
            return False
        if not resume:
            raise OutputError(
                f"{self.target} was begun before and is unfinished: add {option('resume', True)} to continue it, or "
                f"{option('overwrite', True)} to start again."
            )
        if differing := self.changed(facts):
            head = self.journal.head() or {}
            differences = ", ".join(f"{key} was {head.get(key)}, is {facts.get(key)}" for key in differing)
            resumed, replaced = option("resume", True), option("overwrite", True)
            again = (
                f"leave {resumed} out to start again" if overwrite else f"{replaced} instead of {resumed} starts again"
            )
            raise OptionError(f"{self.target} can't be resumed: {differences}; {again}.")
        return True

    @property
    def is_unfinished(self) -> bool:
        """Whether an earlier run has finished something that another one may go on with; previews leave nothing."""
        head = self.journal.head() or {}
        return bool(head) and self.keeps(is_part=any(key.startswith("part.") for key in head))

    def changed(self, facts: Mapping[str, Any]) -> list[str]:
        """Return the names of the facts that were others when the job was begun, sorted; none, if it was not begun."""
        head = self.journal.head()
        return [key for key in sorted({*head, *facts}) if head.get(key) != facts.get(key)] if head else []

    def was_begun_with(self, facts: Mapping[str, Any]) -> bool:
        """Whether the job was begun earlier, and the result depends on the same facts."""
        head = self.journal.head()
        return bool(head) and head == dict(facts)

    @property
    def done_until(self) -> int | None:
        """Last finished pts, in ticks of the decoded video; ``None`` if nothing is finished."""
        segments = self.journal.segments()
        return segments[-1].last if segments else None

    def keeps(self, *, is_part: bool) -> bool:
        """Whether the interrupted job can be resumed; previews can't."""
        return not is_part and (self.done_until is not None or not self.pool.is_empty)

    def fate(self, *, is_part: bool) -> str:
        """Return the message on what is left of an interrupted job."""
        if not self.keeps(is_part=is_part):
            return "Nothing was written."
        return kept_in_words()

    @property
    def lost(self) -> int:
        """Number of frames that the source failed to give to the finished segments."""
        return sum(segment.lost for segment in self.journal.segments())

    def place(self, *, stopped: bool, overwrite: bool) -> Path:
        """Rename what was written to the target's name or, if ``stopped``, to that of an incomplete result.

        The result of an earlier run of the job is removed. Other files of such names stay, unless ``overwrite``.

        Returns:
            The name; with a number, if another file has that name and stays.

        Raises:
            OutputError: Renaming failed.
        """
        output, left = partial_of(self.target) if stopped else self.target, self.left
        with writing(self.folder):
            while not self._placed(output, overwrite=overwrite or output == left):
                output = free_partial_of(self.target) if stopped else free_name(self.target, taken=is_there)
            if left is not None and left != output:
                left.unlink(missing_ok=True)
            with suppress(PermissionError):  # of a folder that may not be read, but written to
                flush_to_disk(output.parent)  # before the segments are removed
        return output

    @property
    def left(self) -> Path | None:
        """Unchanged result of an earlier run of the job, which a longer one may replace; ``None`` if there is none."""
        entry = self.journal.left() or {}
        path = self.target.with_name(Path(str(entry.get("name", self.target.name))).name)
        try:
            is_same = path.lstat().st_mtime_ns == entry.get("mtime_ns")
        except OSError:
            return None
        return path if is_same else None

    def remove(self) -> None:
        """Delete the folder; call once the result has its name, or when nothing is worth keeping."""
        with suppress(OSError):  # files of others stay, and so does the folder
            self.journal.clear()
            self.pool.remove()
            (self.folder / _LOCK).unlink()
            self.folder.rmdir()

    def _placed(self, output: Path, *, overwrite: bool) -> bool:
        self.journal.note("left", {"name": output.name, "mtime_ns": self.whole.stat().st_mtime_ns})
        try:
            put(self.whole, output, overwrite=overwrite)
        except FileExistsError:
            return False
        return True


def kept_in_words() -> str:
    """Return the message on finished frames of a job that was interrupted."""
    return f"Finished frames are kept: {option('resume', True)} continues."


def folder_of(target: Path) -> Path:
    """Return the hidden folder beside a target."""
    return beside(target, f".{target.name}", ".parts")


@contextmanager
def claimed(target: Path) -> Iterator[Parts]:
    """Lock the folder of a target for this run. At the end, a folder without finished segments is removed.

    Raises:
        OutputError: Another run holds it, or it can't be written.
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
            has_segments = any(parts.folder.glob("*.packets")) and not (is_ours and not parts.journal.segments())
            if not has_segments and parts.pool.is_empty:
                parts.remove()
        os.close(descriptor)


def fingerprint(source: Path) -> dict[str, Any]:
    """Return facts that change with the content of a source; none for image sequences.

    Raises:
        InputError: The source isn't a readable file.
    """
    check_source(source)
    if is_sequence(source):
        return {}
    with source.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        digest = hashlib.sha256(file.read(_SAMPLED))
        file.seek(max(0, size - _SAMPLED))
        digest.update(file.read(_SAMPLED))
    return {"source.bytes": size, "source.ends": digest.hexdigest()[:16]}


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted keys; values that JSON lacks become text."""
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
    """Lock the folder, and return the descriptor that holds the lock until it is closed.

    Raises:
        OutputError: Another run holds it, or it can't be written.
    """
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
        raise OutputError(
            f"{parts.target}: processes of a killed run have not ended yet. Try again in a moment."
        ) from None
    except OSError as err:
        if err.errno in _NO_FILES:
            message = (
                f"{parts.folder} contains a link or the like in the place of one of our files: check what it is, "
                "and remove it."
            )
            raise OutputError(message) from err
        raise OutputError(f"{parts.folder} can't be written ({err.strerror}).") from err
    return descriptor


def _own(parts: Parts, until: float) -> int:
    while time.monotonic() < until:
        parts.make()
        try:
            descriptor = open_within(parts.folder, _LOCK, os.O_RDWR | os.O_CREAT)  # NFS can't lock folders
        except FileNotFoundError:  # a run that ended has just removed the folder
            time.sleep(_TICK)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            message = f"{parts.target} is being written by another run: wait for it, or name another."
            raise OutputError(message) from None
        with suppress(FileNotFoundError):
            if (parts.folder / _LOCK).stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)  # the locked file has been removed with the folder
    raise OutputError(f"{parts.folder} can't be written: something keeps removing it.")


def _is_foreign(folder: Path, owner: int) -> bool:
    """Whether the folder belongs neither to this user nor to the owner of its parent: its content can't be trusted."""
    return owner not in (os.geteuid(), folder.parent.stat().st_uid, _NOBODY)
