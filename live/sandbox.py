"""Confinement of a process that decodes untrusted input to the resources and rights that it needs."""

import ctypes
import resource
import time
from collections.abc import Sequence
from pathlib import Path

from sr4k.live.landlock import forbid_changes

MEMORY = 4 << 30
"""Bytes of address space beyond what is mapped already: a 4K decoder needs a quarter of it."""

_FILES = 64
"""Maximum of open files: pipes, shared memory, a few sockets, a random number device."""

_CPU_AHEAD = 30
"""CPU seconds that may be used without a picture."""

_RENEW_EVERY = 1.0
"""Minimum interval of renewals, in seconds."""

_PR_SET_NO_NEW_PRIVS = 38

_is_confined = False


def confine(programs: Sequence[str] = ()) -> None:
    """Renounce, irrevocably, gaining privileges and changing the user's files (see `sr4k.live.landlock`).

    Call it before libraries start threads: threads that run already are not confined.

    Args:
        programs: paths of programs that may be run nevertheless.

    Raises:
        OSError: the kernel refuses, or a program does not exist.
    """
    global _is_confined
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    forbid_changes(programs)
    _is_confined = True


def enter(memory: int = MEMORY) -> "Allowance":
    """Confine this process if it isn't yet, and limit its memory, open files, file writes, core dumps and CPU time.

    Args:
        memory: bytes of address space beyond what is mapped already.

    Returns:
        The allowance of CPU time, to be renewed on progress: when it runs out, the kernel ends the process (SIGXCPU).

    Raises:
        OSError: the kernel refuses.
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
    """CPU time that this process may use until its next progress."""

    def __init__(self) -> None:
        self._renewed = float("-inf")

    def renew(self) -> None:
        """Extend the allowance after progress. Cheap enough to call for every picture."""
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
