"""What processes leave in /dev/shm, beside what others that run at the same time have there."""

import time
from contextlib import suppress
from pathlib import Path

FOLDER = Path("/dev/shm")


def names() -> set[Path]:
    """All that is there."""
    return set(FOLDER.iterdir())


def left_behind(before: set[Path]) -> set[Path]:
    """What is new, stays, and belongs to no process that lives."""
    until = time.monotonic() + 5
    while (left := names() - before - in_use()) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def in_use() -> set[Path]:
    """What living processes have mapped: by inode, for a semaphore is mapped before it gets its name."""
    inodes = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):
            inodes |= {line.split()[4] for line in maps.read_text().splitlines() if str(FOLDER) in line}
    return {path for path in FOLDER.iterdir() if _inode(path) in inodes}


def _inode(path: Path) -> str:
    try:
        return str(path.stat().st_ino)
    except OSError:
        return ""
