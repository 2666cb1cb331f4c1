"""Looks at the processes of this machine, which may start and end meanwhile: one that has ended has nothing to tell."""

from collections.abc import Iterator
from pathlib import Path

import psutil


def below(process: int) -> list[int]:
    """Return the ids of all living descendants of a process."""
    return _started_by(process, recursive=True)


def children_of(process: int) -> list[int]:
    """Return the ids of the living processes that a process has started itself."""
    return _started_by(process, recursive=False)


def is_alive(process: int) -> bool:
    """Whether a process runs or is stopped: neither gone nor ended and not waited for."""
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def command_of(process: int) -> str:
    """Return the command line of a process, or the title that it has given itself; empty if it has ended."""
    try:
        return " ".join(psutil.Process(process).cmdline()).rstrip()
    except psutil.Error:
        return ""


def environment_of(process: int) -> str:
    """Return the variables that a process was started with, a NUL after each; empty if it has ended or isn't ours.

    Not by psutil, which reads to the first empty variable: a process that gives itself a title may write over some.
    """
    try:
        return Path(f"/proc/{process}/environ").read_text(errors="replace")
    except OSError:
        return ""


def with_variable(variable: str) -> Iterator[tuple[int, str]]:
    """Yield id and command line of the living processes with ``name=value`` in their environment, in order of ids."""
    for process in sorted(psutil.pids()):
        if variable in environment_of(process).split("\0") and (command := command_of(process)):
            yield process, command


def _started_by(process: int, *, recursive: bool) -> list[int]:
    try:
        found = psutil.Process(process).children(recursive=recursive)
    except psutil.Error:
        return []
    return [each.pid for each in found if is_alive(each.pid)]
