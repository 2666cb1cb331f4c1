"""Measures the memory of the processes that a thread started, from the children of threads in Linux's ``/proc``."""

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(thread: int) -> int:
    """Return the resident bytes of all descendant processes of a thread of this process.

    Memory that several processes share counts for each. Processes may start and end meanwhile.

    Args:
        thread: its native id, see `threading.get_native_id`.
    """
    return sum(map(_resident, _descendants(_children(Path(f"/proc/self/task/{thread}")))))


def own_bytes() -> int:
    """Return the resident bytes of this process."""
    return _resident(os.getpid())


def _descendants(processes: list[int]) -> list[int]:
    found = list(processes)
    for process in found:  # the list grows meanwhile
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
