"""The history of a run: a line of JSON for each report, with error and PSNR."""

import json
from pathlib import Path
from typing import Any

from sr4k.common.whole_file import write_whole

HISTORY = "history.jsonl"

Entry = dict[str, Any]
"""``step``; ``mae``, the mean absolute error in 8-bit levels; ``psnr_y``, dB by title of the folder."""


def read_history(path: Path) -> tuple[list[Entry], bool]:
    """Return the entries of a history, and whether every line of it is one; of a missing file, no entries.

    Raises:
        OSError: there is a file, and it can't be read.
    """
    if not path.is_file():
        return [], True
    found = [_entry(line) for line in path.read_text("utf-8", errors="replace").splitlines()]
    return [entry for entry in found if entry is not None], None not in found


def write_history(path: Path, entries: list[Entry]) -> None:
    """Write a history.

    Raises:
        OutputError: it can't be written.
    """
    write_whole(path, "".join(json.dumps(entry) + "\n" for entry in entries).encode())


def _entry(line: str) -> Entry | None:
    """Return the entry that a line holds; ``None``: it is damaged."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    match entry:
        case {"step": int(), "mae": float() | int(), "psnr_y": dict() as scores}:
            return entry if all(isinstance(score, float | int) for score in scores.values()) else None
    return None
