"""Examines what this machine can do and what it lacks, and finds the commands that fix it.

Every section is examined in a process of its own, with a time limit: a driver or codec that crashes costs only the rest
of its section.
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

from sr4k.common.ending import end_soon
from sr4k.pipeline.spawning import clean_environment, interpreter

State = Literal["ok", "optional", "problem"]
"""``ok``: it works. ``optional``: it is missing, and nothing that works here needs it. ``problem``: it is broken."""

Probe = Callable[[], "Iterator[Finding]"]

SECTIONS = {
    "Machine": "sr4k.doctor.machine:PROBES",
    "Engines": "sr4k.doctor.engines:PROBES",
    "NVIDIA": "sr4k.doctor.nvidia:PROBES",
    "Video on the GPU": "sr4k.doctor.gpu_video:PROBES",
    "Hardware encoders": "sr4k.doctor.encoders:PROBES",
    "Video on the CPU": "sr4k.doctor.cpu_video:PROBES",
    "Streams": "sr4k.doctor.live_protocols:PROBES",
}
"""Titles of the sections, with the module and name of their probes."""

_LIMIT = 30.0
"""Seconds that a section may take."""

_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        name: what was checked.
        told: what was found, as text.
        mend: command or advice that fixes it, if it is not ``ok``.
        facts: what was found, as data for programs.
    """

    name: str
    state: State
    told: str
    mend: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, by section. ``engine``: the choice of ``--engine auto``; ``None`` if no engine can upscale here."""

    sections: dict[str, list[Finding]]
    engine: str | None

    @property
    def problems(self) -> list[Finding]:
        """Findings about what is broken."""
        return [finding for findings in self.sections.values() for finding in findings if finding.state == "problem"]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data, for JSON."""
        return asdict(self)


def examine(sections: dict[str, str] = SECTIONS, limit: float = _LIMIT) -> Report:
    """Examine all sections. It never raises: a check that fails is a finding.

    Args:
        sections: titles, with the module and name of their probes.
        limit: seconds that each section may take.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda title: _examined(title, sections[title], limit), sections))
    chosen = (finding.facts.get("chosen") for findings in found for finding in findings)
    return Report(dict(zip(sections, found, strict=True)), next(filter(None, chosen), None))


def tell(title: str, home: str) -> None:
    """Run a section's probes in its process, and print each finding at once as a line of JSON on stdout."""
    for finding in _found(title, home):
        print(json.dumps(asdict(finding)), flush=True)
    end_soon()


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
        ran = subprocess.run(
            [*interpreter(), "-c", code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=clean_environment(),
            timeout=limit,
            check=False,
        )
        output, end = ran.stdout, _abnormal_end(ran.returncode)
    except subprocess.TimeoutExpired as err:
        output, end = err.stdout or b"", f"took longer than {limit:.0f} s"
    found = list(_parsed(output.decode(errors="replace")))
    if end is None:
        return found
    return [*found, Finding(title, "problem", f"the check {end}; the rest of this section is unknown")]


def _parsed(lines: str) -> Iterator[Finding]:
    """Parse the findings that `tell` printed. Lines from libraries and truncated lines are skipped."""
    for line in lines.splitlines():
        with suppress(ValueError, TypeError):
            yield Finding(**json.loads(line))


def _abnormal_end(code: int) -> str | None:
    """Describe the end of a process that failed; ``None``: it succeeded."""
    if code < 0:
        return f"was ended by a signal ({signal.strsignal(-code)})"
    return f"ended with exit code {code}" if code else None


def _broken(name: str, error: Exception) -> Finding:
    return Finding(name, "problem", f"the check failed ({type(error).__name__}: {' '.join(str(error).split())})")
