"""What of a long job is done: a folder beside its target, with segments of the video and a journal of them.

Power may fail at any moment: a segment is on the disk before the journal names it, and a line that was not written
whole is not there.
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
"""Of the journal in its folder."""

VERSION = 1
"""Of what stands in the journal and in the files of segments: another one can't be gone on with."""

_FRESH = "journal.new"
_SEGMENT = re.compile(r"\d+\.packets")
_OURS = re.compile(rf"{re.escape(NAME)}|{re.escape(_FRESH)}|{_SEGMENT.pattern}|whole\.[^/]*")


@dataclass(frozen=True, slots=True)
class Segment:
    """Encoded pictures from a key frame to the next cut: whoever decodes it needs no other.

    Attributes:
        name: of its file, in the folder.
        bytes: of it.
        frames: how many.
        first, last: smallest and largest pts, in the encoder's ticks.
        delay: by how many pictures the order of decoding runs ahead of that of display.
        lost: what the source failed to give since the segment before.
    """

    name: str
    bytes: int
    frames: int
    first: int
    last: int
    delay: int
    lost: int


class Journal:
    """The journal in a folder. Reading it needs no permission to go on with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def is_ours(self) -> bool:
        """Whether this version can read it. There may be none, or none of its lines whole."""
        lines = self._lines()
        return not lines or lines[0].get("version") == VERSION

    def head(self) -> dict[str, Any] | None:
        """What the job was when it was begun."""
        return next((line["job"] for line in self._lines() if "job" in line), None)

    def encoder(self) -> dict[str, Any] | None:
        """What the encoder was, if one was opened."""
        return next((line["encoder"] for line in self._lines() if "encoder" in line), None)

    def left(self) -> dict[str, Any] | None:
        """What was last left under the target's name, if the job was stopped."""
        return next((line["left"] for line in reversed(self._lines()) if "left" in line), None)

    def segments(self) -> list[Segment]:
        """All that are done, in their order, up to the first whose file is not what it was."""
        found = []
        for line in self._lines() if self.is_ours else ():
            if "segment" in line:
                segment = Segment(**line["segment"])
                if not _SEGMENT.fullmatch(segment.name) or size_within(self.folder, segment.name) != segment.bytes:
                    break
                found.append(segment)
        return found

    def begin(self, head: Mapping[str, Any]) -> None:
        """A new journal."""
        (self.folder / NAME).unlink(missing_ok=True)
        self._append({"version": VERSION, "job": dict(head)})

    def add(self, segment: Segment) -> None:
        """Enter a segment whose file is on the disk."""
        self._append({"segment": asdict(segment)})

    def note(self, key: str, facts: Mapping[str, Any]) -> None:
        """Enter anything else."""
        self._append({key: dict(facts)})

    def hold(self, seconds: float) -> int:
        """Lock the journal against other processes, until the descriptor that this gives is closed.

        Args:
            seconds: to wait for one that has it.

        Raises:
            BlockingIOError: it does not let go.
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
        """Leave out what was not written whole, and segments that are not there, so that more can be added."""
        kept = {segment.name for segment in self.segments()}
        for path in self.folder.iterdir():  # first of all, for the disk may be full
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
        """Remove all that was done, and what it was to become; what anybody else has put there stays."""
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
                return []  # there is none, or it is none of ours
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
    """A descriptor of a plain file in a folder. Neither may be a link: whoever may write beside a target may plant one.

    Raises:
        OSError: it can't be opened, or is no plain file.
    """
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644, dir_fd=place)
    finally:
        os.close(place)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file", name)
    return descriptor


def size_within(folder: Path, name: str) -> int | None:
    """Bytes of a plain file in a folder, or ``None``."""
    try:
        found = (folder / name).lstat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def flush_to_disk(path: Path) -> None:
    """Of a file its content, of a folder its names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
