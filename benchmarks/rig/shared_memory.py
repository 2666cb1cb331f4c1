"""Find files that processes leave behind in /dev/shm, while other processes use it too."""

import time
from contextlib import suppress
from pathlib import Path

FOLDER = Path("/dev/shm")


def names() -> set[Path]:
    """Return the paths of all files in /dev/shm."""
    return set(FOLDER.iterdir())


def left_behind(before: set[Path]) -> set[Path]:
    """Return the new files that no living process uses, after at most 5 seconds of waiting for them to go."""
    until = time.monotonic() + 5
    while (left := names() - before - in_use()) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def in_use() -> set[Path]:
    """Return the files that living processes have mapped; by inode, since a semaphore is mapped before it is named."""
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
