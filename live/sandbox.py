"""What a process that decodes a stranger's bytes may do: no more than it needs."""

import ctypes
import resource
import time
from collections.abc import Sequence
from pathlib import Path

from sr4k.live.landlock import forbid_changes

MEMORY = 4 << 30
"""Bytes of address space beside what is mapped already: a 4K decoder takes a quarter of it."""

_FILES = 64
"""Open at once: pipes, shared memory, a socket or a few, a device of random numbers."""

_CPU_AHEAD = 30
"""CPU seconds that may pass without a picture."""

_RENEW_EVERY = 1.0
"""Seconds between two renewals."""

_PR_SET_NO_NEW_PRIVS = 38

_is_confined = False


def confine(programs: Sequence[str] = ()) -> None:
    """Give up, for good: new privileges, and files of the user other than to read them (see `sr4k.live.landlock`).

    To be called before libraries start threads: those that run already are not confined. ``programs``: paths of those
    that may be run nevertheless.
    """
    global _is_confined
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    forbid_changes(programs)
    _is_confined = True


def enter(memory: int = MEMORY) -> "Allowance":
    """Give up, for good: what `confine` takes, writing files, core dumps, more than ``memory`` bytes beside those used.

    Returns what has to be renewed as long as there is progress: otherwise the CPU time runs out, and the kernel ends
    the process (SIGXCPU).
    """
    if not _is_confined:
        confine()
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for limit, value in (
        (resource.RLIMIT_AS, mapped + memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
    ):
        lowest = _at_most(value, resource.getrlimit(limit)[1])
        resource.setrlimit(limit, (lowest, lowest))
    allowance = Allowance()
    allowance.renew()
    return allowance


class Allowance:
    """CPU time that a process may use before it has to show progress."""

    def __init__(self) -> None:
        self._renewed = float("-inf")

    def renew(self) -> None:
        """There was progress. Cheap: it may be called for every picture."""
        now = time.monotonic()
        if now - self._renewed < _RENEW_EVERY:
            return
        self._renewed = now
        used = resource.getrusage(resource.RUSAGE_SELF)
        soon = int(used.ru_utime + used.ru_stime) + _CPU_AHEAD
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (_at_most(soon, hard), hard))


def _at_most(value: int, hard: int) -> int:
    return value if hard == resource.RLIM_INFINITY else min(value, hard)
