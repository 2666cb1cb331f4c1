"""Shows progress as bars, on a terminal."""

import time
from collections.abc import Iterable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from sr4k.common.printable import printable
from sr4k.jobs.file_progress import Gauge
from sr4k.pipeline import WorkerStatus

_NARROW = 100
"""Terminals of fewer columns get the short form."""


class ProgressBars:
    """Shows a bar with figures for each running job, and the load of each stage below it.

    A narrow terminal gets a short bar, the main figures, and the busiest stage alone.
    """

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._gauges = [Gauge() for _ in names]
        console = Console(stderr=True)
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
            self._bars.update(self._tasks[job], completed=share or 0.0, total=total, text=self._text(job, gauge))

    def _text(self, job: int, gauge: Gauge) -> str:
        name = self._names[job]
        if not self._is_narrow:
            return f"{name}{gauge.text()}\n{gauge.load_text()}"
        return "\n".join(filter(None, [name, gauge.text(short=True), gauge.busiest()]))

    def end(self, job: int, lines: Iterable[str], state: str) -> None:  # noqa: ARG002
        if job in self._tasks:
            self._bars.remove_task(self._tasks.pop(job))
        for line in lines:
            self._bars.console.print(printable(line), soft_wrap=True, markup=False, highlight=False)
