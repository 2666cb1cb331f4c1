"""What tells a file of a job from what somebody else has made of it, or put in its place, since the job was done."""

from pathlib import Path
from typing import Any

from sr4k.media.image_names import files_of, is_sequence
from sr4k.media.resume.job_folder import fingerprint


def mark_of(path: Path) -> str | None:
    """Return text that changes with a file: its time, and what is at its ends; ``None``: it is many pictures.

    The number of its inode is no part of it, since that changes with each mount of some network drives, and with a
    library that is moved to another disk, times and all.

    Raises:
        InputError: the file can't be read.
    """
    if is_sequence(path):
        return None
    return f"{path.stat().st_mtime_ns} {fingerprint(path)['source.ends']}"


def about_files(source: Path, output: Path) -> dict[str, Any]:
    """Return what a `JobResult` tells of its files, by which changed ones are known later."""
    return {
        "source_bytes": _size(source),
        "result_bytes": _size(output),
        "source_mark": mark_of(source),
        "result_mark": mark_of(output),
    }


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in files_of(path))
