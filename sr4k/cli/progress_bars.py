"""Shows progress as bars, on a terminal."""

import time
from collections.abc import Iterable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from sr4k.cli.lossy_stderr import lossy_stderr
from sr4k.cluster.machine_report import CLUSTER, ClusterReport, NodeWork
from sr4k.common.printable import printable
from sr4k.jobs.file_progress import Gauge
from sr4k.pipeline import WorkerStatus, report_of

_NARROW = 100
"""Terminals of fewer columns get the short form."""

_MACHINES = 8
"""Machines of a cluster that get a line each."""


class ProgressBars:
    """Shows a bar with figures for each running job, and below it the load of each stage, or a line for each machine.

    A narrow terminal gets a short bar, the main figures, and the busiest stage alone.
    """

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._gauges = [Gauge() for _ in names]
        console = Console(file=lossy_stderr())
        self._is_narrow = console.width < _NARROW
        columns = (
            BarColumn(bar_width=10 if self._is_narrow else 30),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[text]}", markup=False),
        )
        self._bars = Progress(*columns, console=console, transient=True)
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bars.stop()

    def __call__(self, job: int, statuses: dict[str, WorkerStatus]) -> None:
        if job not in self._tasks:
            self._tasks[job] = self._bars.add_task("upscale", total=None, text=f"{self._names[job]}starting")
        gauge = self._gauges[job]
        gauge.update(statuses, time.monotonic())
        if gauge.frames:
            share = gauge.share
            total = None if share is None else 1.0
            below = _machines(statuses) if CLUSTER in statuses else self._load(gauge)
            text = "\n".join(filter(None, [*self._title(job, gauge), *below]))
            self._bars.update(self._tasks[job], completed=share or 0.0, total=total, text=text)

    def _title(self, job: int, gauge: Gauge) -> list[str]:
        name = self._names[job]
        return [name, gauge.text(short=True)] if self._is_narrow else [f"{name}{gauge.text()}"]

    def _load(self, gauge: Gauge) -> list[str]:
        return [gauge.busiest() if self._is_narrow else gauge.load_text()]

    def end(self, job: int, lines: Iterable[str], state: str) -> None:  # noqa: ARG002
        if job in self._tasks:
            self._bars.remove_task(self._tasks.pop(job))
        for line in lines:
            self._bars.console.print(printable(line), soft_wrap=True, markup=False, highlight=False)


def _machines(statuses: dict[str, WorkerStatus]) -> list[str]:
    """Return a line for each machine of a cluster; of many, for those that make most, and one that counts the rest."""
    report = report_of(statuses, CLUSTER, ClusterReport)
    nodes: list[NodeWork] = [] if report is None else sorted(report.nodes, key=lambda node: -node.share)
    rest = [f"and {len(nodes) - _MACHINES} more machines"] if len(nodes) > _MACHINES else []
    return [printable(str(node)) for node in nodes[:_MACHINES]] + rest
