"""Journal of a job: a file of JSON lines that lists the finished segments in the folder beside the target.

It survives a power failure at any moment: a segment is on the disk before the journal names it, and an incomplete line
is ignored.
"""

import errno
import fcntl
import json
import os
import re
import stat
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

NAME = "journal.jsonl"
"""File name of the journal in its folder."""

VERSION = 1
"""Format version of journal and segments: a job of another version can't be resumed."""

_FRESH = "journal.new"
_SEGMENT = re.compile(r"\d+\.packets")
_OURS = re.compile(rf"{re.escape(NAME)}|{re.escape(_FRESH)}|{_SEGMENT.pattern}|whole\.[^/]*")


@dataclass(frozen=True, slots=True)
class Segment:
    """Encoded pictures from a key frame to the next cut, which can be decoded without other segments.

    Attributes:
        name: Name of its file in the folder.
        bytes: Size of the file.
        frames: Number of pictures.
        first, last: Smallest and largest pts, in the encoder's ticks.
        delay: Maximum number of pictures by which decoding order is ahead of display order.
        lost: Frames that the source failed to give since the segment before.
    """

    name: str
    bytes: int
    frames: int
    first: int
    last: int
    delay: int
    lost: int


class Journal:
    """Journal in a folder. It may be read without holding its lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def is_ours(self) -> bool:
        """Whether this version can read the journal; true as well if there is none, or no complete line."""
        lines = self._lines()
        return not lines or lines[0].get("version") == VERSION

    def head(self) -> dict[str, Any] | None:
        """Return the facts with which the job began; ``None`` if there are none."""
        return next((line["job"] for line in self._lines() if "job" in line), None)

    def encoder(self) -> dict[str, Any] | None:
        """Return name and header of the job's encoder; ``None`` if none was opened yet."""
        return next((line["encoder"] for line in self._lines() if "encoder" in line), None)

    def left(self) -> dict[str, Any] | None:
        """Return name and modification time of the last result that a stopped run left; ``None`` if there is none."""
        return next((line["left"] for line in reversed(self._lines()) if "left" in line), None)

    def segments(self) -> list[Segment]:
        """Return the finished segments in order, up to the first whose file is missing or has another size."""
        found = []
        for line in self._lines() if self.is_ours else ():
            if "segment" in line:
                segment = Segment(**line["segment"])
                if not _SEGMENT.fullmatch(segment.name) or size_within(self.folder, segment.name) != segment.bytes:
                    break
                found.append(segment)
        return found

    def begin(self, head: Mapping[str, Any]) -> None:
        """Replace the journal by a new one that contains the facts of the job."""
        (self.folder / NAME).unlink(missing_ok=True)
        self._append({"version": VERSION, "job": dict(head)})

    def add(self, segment: Segment) -> None:
        """Append a segment whose file has been flushed to the disk."""
        self._append({"segment": asdict(segment)})

    def note(self, key: str, facts: Mapping[str, Any]) -> None:
        """Append facts under any other key."""
        self._append({key: dict(facts)})

    def hold(self, seconds: float) -> int:
        """Lock the journal against other processes, until the returned descriptor is closed.

        Args:
            seconds: Maximum time to wait for a process that holds it.

        Raises:
            BlockingIOError: Another process still holds it.
            OSError: It can't be opened, or isn't a regular file.
        """
        descriptor = open_within(self.folder, NAME, os.O_RDWR | os.O_CREAT)
        until = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    os.close(descriptor)
                    raise
                time.sleep(0.05)
            else:
                return descriptor

    def trim(self) -> None:
        """Remove unfinished files and segments that are not valid, so that more can be appended."""
        kept = {segment.name for segment in self.segments()}
        for path in self.folder.iterdir():  # first, as the disk may be full
            if path.stem == "whole" or (path.suffix == ".packets" and path.name not in kept):
                path.unlink()
        lines = [line for line in self._lines() if "segment" not in line or line["segment"]["name"] in kept]
        fresh = self.folder / _FRESH
        fresh.unlink(missing_ok=True)
        with os.fdopen(open_within(self.folder, _FRESH, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
            file.write("".join(f"{json.dumps(line)}\n" for line in lines))
        flush_to_disk(fresh)
        fresh.replace(self.folder / NAME)

    def clear(self) -> None:
        """Remove all files of the job from the folder; those of others stay."""
        for path in self.folder.iterdir():
            if _OURS.fullmatch(path.name):
                path.unlink()

    def _append(self, line: dict[str, Any]) -> None:
        with os.fdopen(open_within(self.folder, NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "a") as file:
            file.write(f"{json.dumps(line)}\n")
            file.flush()
            os.fsync(file.fileno())
        flush_to_disk(self.folder)

    def _lines(self) -> list[dict[str, Any]]:
        try:
            with os.fdopen(open_within(self.folder, NAME, os.O_RDONLY), errors="replace") as file:
                text = file.read()
        except OSError as err:
            if err.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL):
                return []  # there is none, or it is something else's
            raise
        found = []
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if not isinstance(entry, dict):
                break
            found.append(entry)
        return found


def open_within(folder: Path, name: str, flags: int) -> int:
    """Open a regular file in a folder without following links, which others who can write there may have planted.

    Args:
        folder: The folder.
        name: Name of the file in it.
        flags: As for `os.open`.

    Returns:
        A descriptor.

    Raises:
        OSError: The file can't be opened, or it or the folder is a link, or it isn't a regular file.
    """
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644, dir_fd=place)
    finally:
        os.close(place)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", name)
    return descriptor


def size_within(folder: Path, name: str) -> int | None:
    """Return the size in bytes of a regular file in a folder; ``None`` if there is none."""
    try:
        found = (folder / name).lstat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def flush_to_disk(path: Path) -> None:
    """Flush a file's content, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
