"""How much memory the processes have that a thread of this one started: Linux's /proc tells each thread's children."""

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(thread: int) -> int:
    """Bytes in memory of all processes that a thread of this process started, of those that they started, and so on.

    What several of them share counts for each. Processes may come and go meanwhile.

    Args:
        thread: as `threading.get_native_id` gives it.
    """
    return sum(map(_resident, _descendants(_children(Path(f"/proc/self/task/{thread}")))))


def own_bytes() -> int:
    """Bytes in memory of this process."""
    return _resident(os.getpid())


def _descendants(processes: list[int]) -> list[int]:
    found = list(processes)
    for process in found:  # which grows meanwhile
        found += [child for thread in _threads(process) for child in _children(thread)]
    return found


def _threads(process: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{process}/task").iterdir())
    except OSError:
        return []


def _children(thread: Path) -> list[int]:
    try:
        return [int(process) for process in (thread / "children").read_text().split()]
    except OSError:
        return []


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0
