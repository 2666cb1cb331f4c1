"""Shows progress: bars on a terminal, plain lines elsewhere, or JSON for other programs."""

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from types import TracebackType
from typing import Protocol, Self

from sr4k.cli.lossy_stderr import lossy_stderr
from sr4k.cli.standard_streams import STDERR, STDOUT
from sr4k.cluster.machine_report import CLUSTER, ClusterReport, NodeWork
from sr4k.common.printable import printable
from sr4k.errors import OptionError
from sr4k.jobs.file_progress import Gauge
from sr4k.pipeline import WorkerStatus, report_of

_LINE_EVERY = 5.0
"""Least seconds between two plain lines."""

_LINE_SHARE = 0.05
"""Seconds to the next line, per second that the job has run: lines get rarer."""

_LINE_AT_LEAST = 600.0
"""Greatest seconds between two lines."""

_JSON_EVERY = 1.0
"""Seconds between two lines of JSON."""


class Display(Protocol):
    """Shows the progress of jobs: a context manager that is called with a job's number and its workers' statuses."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def __call__(self, job: int, statuses: dict[str, WorkerStatus]) -> None: ...

    def end(self, job: int, lines: Iterable[str], state: str) -> None:
        """Remove the job from the display and print its result. ``state``: see `sr4k.cli.job_words.state_of`."""
        ...


class Silent:
    """Shows no progress; prints results only."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def __call__(self, job: int, statuses: dict[str, WorkerStatus]) -> None: ...

    def end(self, job: int, lines: Iterable[str], state: str) -> None:  # noqa: ARG002
        _print(lines)


class Lines:
    """Prints a plain line for each job at intervals that grow with its running time, the first after it was opened."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._gauges = [Gauge() for _ in names]
        self._began: dict[int, float] = {}
        self._next: dict[int, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def __call__(self, job: int, statuses: dict[str, WorkerStatus]) -> None:
        now, gauge = time.monotonic(), self._gauges[job]
        gauge.update(statuses, now)
        if not gauge.is_open:  # an error on opening is the only line then
            return
        began = self._began.setdefault(job, now)
        if now >= self._next.setdefault(job, now + _LINE_EVERY):
            self._next[job] = now + until_next_line(now - began)
            machines = machines_of(statuses)
            load = "" if CLUSTER in statuses else gauge.load_text()
            line = f"{self._names[job]}{gauge.text()}{f'  [{load}]' if load else ''}"
            _print([line, *(f"{self._names[job]}  {machine}" for machine in machines)])

    def end(self, job: int, lines: Iterable[str], state: str) -> None:  # noqa: ARG002
        _print(lines)


class JsonLines:
    """Writes a line of JSON for each job every second, and one at its end.

    Args:
        descriptor: file descriptor to write to. If its reader goes away, the lines are lost and the jobs go on.
    """

    def __init__(self, names: list[str], descriptor: int) -> None:
        self._names, self._descriptor = names, descriptor
        self._gauges = [Gauge() for _ in names]
        self._next: dict[int, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def __call__(self, job: int, statuses: dict[str, WorkerStatus]) -> None:
        now = time.monotonic()
        self._gauges[job].update(statuses, now)
        if now >= self._next.get(job, 0.0):
            self._next[job] = now + _JSON_EVERY
            machines = [asdict(machine) for machine in machines_of(statuses)]
            more = {"machines": machines} if machines else {}
            self._write({"event": "progress", **self._about(job), **self._gauges[job].as_dict(), **more})

    def end(self, job: int, lines: Iterable[str], state: str) -> None:
        _print(lines)
        self._write({"event": "end", **self._about(job), "state": state, "frames": self._gauges[job].frames})

    def _about(self, job: int) -> dict[str, object]:
        return {"job": job, "source": self._names[job]}

    def _write(self, line: dict[str, object]) -> None:
        with suppress(OSError):
            os.write(self._descriptor, f"{json.dumps(line)}\n".encode())


def machines_of(statuses: dict[str, WorkerStatus]) -> tuple[NodeWork, ...]:
    """Return what the machines of a cluster do; none, if there is no cluster."""
    report = report_of(statuses, CLUSTER, ClusterReport)
    return () if report is None else report.nodes


def _print(lines: Iterable[str]) -> None:
    """Print lines on stderr at once: jobs that run side by side have a thread each."""
    stderr = lossy_stderr()
    stderr.write("".join(f"{printable(line)}\n" for line in lines))
    stderr.flush()


def until_next_line(ran: float) -> float:
    """Return the seconds to the next plain line of a job that has run for ``ran`` seconds."""
    return min(_LINE_AT_LEAST, max(_LINE_EVERY, _LINE_SHARE * ran))


def parse_progress(text: str) -> int | None:
    """Parse the value of ``--progress``: ``json`` (on stderr), ``json:3`` (on descriptor 3), or ``auto``.

    Returns:
        The descriptor for JSON; ``None`` for ``auto``.

    Raises:
        OptionError: it is anything else, or the descriptor isn't one that the caller has opened for writing.
    """
    kind, _, number = text.partition(":")
    if text == "auto":
        return None
    if kind != "json" or not (number.isdecimal() or text == "json"):
        raise OptionError(f"'{text}' isn't a form of progress: use auto, json, or json:N for file descriptor N.")
    descriptor = int(number) if number else STDERR
    if not _is_for_writing(descriptor):
        raise OptionError(
            f"File descriptor {descriptor} is not open for writing: --progress json:N needs one that is, for example "
            f"{descriptor}>progress.json in the shell."
        )
    return descriptor


def refuse_on_stdout(text: str, descriptor: int | None, other: str) -> None:
    """Refuse a value of ``--progress`` whose descriptor is standard output. ``other``: what goes there.

    Raises:
        OptionError: it is.
    """
    if descriptor is not None and os.path.samestat(os.fstat(descriptor), os.fstat(STDOUT)):
        raise OptionError(
            f"--progress {text} would print to standard output, where {other} goes: "
            "use --progress json, or another descriptor."
        )


def _is_for_writing(descriptor: int) -> bool:
    """Whether the caller has opened a descriptor for writing. Our own are closed on exec, theirs came through one."""
    try:
        mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
        is_own = descriptor > STDERR and not os.get_inheritable(descriptor)
    except (OSError, OverflowError):
        return False
    return mode != os.O_RDONLY and not is_own


def display(names: list[str], *, quiet: bool, json_to: int | None = None) -> Display:
    """Return the display that suits stderr, or JSON on the descriptor ``json_to``.

    ``names``: names of the jobs, shown if there are several.
    """
    if json_to is not None:
        return JsonLines(names, json_to)
    if quiet:
        return Silent()
    labels = [""] if len(names) == 1 else [f"{printable(name)}: " for name in names]
    if not sys.stderr.isatty():
        return Lines(labels)
    from sr4k.cli.progress_bars import ProgressBars  # a library that only terminals need

    return ProgressBars(labels)
