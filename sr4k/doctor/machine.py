"""Probes of Python, the system, the CPU and the memory."""

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from sr4k.bench.machine import describe
from sr4k.doctor import Finding, State
from sr4k.engines.cpu import Int8, granted_cpus, int8_of

_OLDEST = (3, 11)
_MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

_INT8: dict[Int8 | None, tuple[State, str]] = {
    "dot products": ("ok", "the CPU has int8 dot product instructions"),
    "pairs": (
        "ok",
        "the CPU has AVX2: int8 is faster than float, though not as fast as with VNNI or AMX",
    ),
    None: ("optional", "no AVX512-VNNI, AVX-VNNI or AMX: on this CPU the network runs in float, which is slower"),
}


def _python() -> Iterator[Finding]:
    state = sys.version_info >= _OLDEST
    yield Finding(
        "Python",
        "ok" if state else "problem",
        f"{platform.python_version()} in {sys.prefix}",
        None if state else "use Python 3.11 or newer",
    )


def _system() -> Iterator[Finding]:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    ours = (platform.system(), platform.machine()) == ("Linux", "x86_64")
    text = f"{name}, kernel {platform.release()}, {platform.machine()}"
    yield Finding("system", "ok" if ours else "problem", text, None if ours else "use Linux on x86-64")


def _cpu() -> Iterator[Finding]:
    about = describe()
    yield Finding("CPU", "ok", f"{about['cpu']}: {' '.join(about['flags']) or 'no AVX2'}", facts=about)
    granted, there, allowed = granted_cpus(), os.cpu_count() or 1, len(os.sched_getaffinity(0))
    limited = [f"the CPU affinity allows {allowed}"] if allowed < there else []
    limited += [f"the control group allows {granted}"] if granted < allowed else []
    text = f"{granted} of {there} usable{': ' if limited else ''}{', '.join(limited)}"
    yield Finding("CPUs", "ok", text, facts={"granted": granted, "affinity": allowed, "there": there})
    way = int8_of()
    yield Finding("int8", *_INT8[way], facts={"by": way})


def _memory() -> Iterator[Finding]:
    page = os.sysconf("SC_PAGE_SIZE")
    there, free = os.sysconf("SC_PHYS_PAGES") * page, os.sysconf("SC_AVPHYS_PAGES") * page
    limit = min((found for path in _MEMORY_LIMITS if (found := _number(path)) and found < there), default=None)
    text = f"{there / 2**30:.1f} GiB, of which {free / 2**30:.1f} GiB are free"
    if limit is not None:
        text += f"; the control group allows {limit / 2**30:.1f} GiB"
    yield Finding("memory", "ok", text, facts={"bytes": there, "idle": free, "limit": limit})


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


PROBES = (_python, _system, _cpu, _memory)
