"""What this machine can do, what it lacks, and what mends it.

Every section is examined in a process of its own with a time limit: a driver or a codec that crashes costs no more than
the rest of its section.
"""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any, Literal

from sr4k.pipeline.spawning import interpreter, safe_path

State = Literal["ok", "optional", "problem"]
"""There and working; not there, and nothing that works here needs it; broken."""

Probe = Callable[[], "Iterator[Finding]"]

SECTIONS = {
    "Machine": "sr4k.doctor.machine:PROBES",
    "Engines": "sr4k.doctor.engines:PROBES",
    "NVIDIA": "sr4k.doctor.nvidia:PROBES",
    "Video on the GPU": "sr4k.doctor.gpu_video:PROBES",
    "Video on the CPU": "sr4k.doctor.cpu_video:PROBES",
    "Streams": "sr4k.doctor.live_protocols:PROBES",
}
"""Title, and where the probes are."""

_LIMIT = 30.0
"""Seconds that a section may take."""

_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what was found, in words, and what mends it. ``facts``: the same for programs."""

    name: str
    state: State
    told: str
    mend: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """``engine``: what ``--engine auto`` takes, or ``None`` if nothing can upscale here."""

    sections: dict[str, list[Finding]]
    engine: str | None

    @property
    def problems(self) -> list[Finding]:
        """What is broken."""
        return [finding for findings in self.sections.values() for finding in findings if finding.state == "problem"]

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)


def examine(sections: dict[str, str] = SECTIONS, limit: float = _LIMIT) -> Report:
    """Look at everything. Raises nothing: what can't be looked at is a finding."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda title: _examined(title, sections[title], limit), sections))
    chosen = (finding.facts.get("chosen") for findings in found for finding in findings)
    return Report(dict(zip(sections, found, strict=True)), next(filter(None, chosen), None))


def tell(title: str, home: str) -> None:
    """The main function of a section's process: a line of JSON on stdout for each finding, as soon as it is made."""
    for finding in _found(title, home):
        print(json.dumps(asdict(finding)), flush=True)


def _found(title: str, home: str) -> Iterator[Finding]:
    module, name = home.split(":")
    try:
        probes: tuple[Probe, ...] = getattr(import_module(module), name)
    except Exception as err:
        yield _broken(title, err)
        return
    for probe in probes:
        try:
            yield from probe()
        except Exception as err:
            yield _broken(probe.__name__.strip("_").replace("_", " "), err)


def _examined(title: str, home: str, limit: float) -> list[Finding]:
    code = f"from sr4k.doctor import tell; tell({title!r}, {home!r})"
    try:
        with safe_path():
            ran = subprocess.run(
                [*interpreter(), "-c", code],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=limit,
                check=False,
            )
        told, end = ran.stdout, _in_words(ran.returncode)
    except subprocess.TimeoutExpired as err:
        told, end = err.stdout or b"", f"took longer than {limit:.0f} s"
    found = list(_parsed(told.decode(errors="replace")))
    if end is None:
        return found
    return [*found, Finding(title, "problem", f"the rest can't be told: the check {end}")]


def _parsed(lines: str) -> Iterator[Finding]:
    """Findings as `tell` prints them, without what libraries print and what was cut off in the middle."""
    for line in lines.splitlines():
        with suppress(ValueError, TypeError):
            yield Finding(**json.loads(line))


def _in_words(code: int) -> str | None:
    """How a process ended, if not well."""
    if code < 0:
        return f"was ended by a signal: {signal.strsignal(-code)}"
    return f"ended with exit code {code}" if code else None


def _broken(name: str, error: Exception) -> Finding:
    return Finding(name, "problem", f"can't be told ({type(error).__name__}: {' '.join(str(error).split())})")
