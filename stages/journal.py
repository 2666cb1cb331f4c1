"""What of a long job is done: a folder beside its target, with segments of the video and a journal of them.

Power may fail at any moment: a segment is on the disk before the journal names it, and a line that was not written
whole is not there.
"""

import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_NAME = "journal.jsonl"


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
        self._path = folder / _NAME

    def head(self) -> dict[str, Any] | None:
        """What was written first."""
        return next((line for line in self._lines() if "segment" not in line), None)

    def encoder(self) -> dict[str, Any] | None:
        """What the encoder was, if one was opened."""
        return next((line["encoder"] for line in self._lines() if "encoder" in line), None)

    def left(self) -> dict[str, Any] | None:
        """What was last left under the target's name, if the job was stopped."""
        return next((line["left"] for line in reversed(self._lines()) if "left" in line), None)

    def segments(self) -> list[Segment]:
        """All that are done, in their order, up to the first whose file is not what it was."""
        found = []
        for line in self._lines():
            if "segment" in line:
                segment = Segment(**line["segment"])
                path = self.folder / segment.name
                if not path.exists() or path.stat().st_size != segment.bytes:
                    break
                found.append(segment)
        return found

    def begin(self, head: Mapping[str, Any]) -> None:
        """A new journal."""
        self._path.unlink(missing_ok=True)
        self._append(dict(head))

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
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
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
        fresh = self._path.with_suffix(".new")
        fresh.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        flush_to_disk(fresh)
        fresh.replace(self._path)

    def _append(self, line: dict[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(f"{json.dumps(line)}\n")
            file.flush()
            os.fsync(file.fileno())
        flush_to_disk(self.folder)

    def _lines(self) -> list[dict[str, Any]]:
        found = []
        if self._path.exists():
            for line in self._path.read_text(errors="replace").splitlines():
                try:
                    found.append(json.loads(line))
                except ValueError:
                    break
        return found


def flush_to_disk(path: Path) -> None:
    """Of a file its content, of a folder its names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
