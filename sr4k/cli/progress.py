"""Progress on stderr: a live display on a terminal, plain lines elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress

from sr4k.configs import STAGES
from sr4k.pipeline import WorkerStatus
from sr4k.printable import printable

_WINDOW = 5.0
"""Seconds over which speed and load are averaged."""

_LINE_EVERY = 5.0
"""Seconds between two plain lines."""


class Display(Protocol):
    """Something that shows how jobs go: a context manager, called with a job's number and its workers' statuses."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def __call__(self, job: int, statuses: dict[str, WorkerStatus]) -> None: ...

    def end(self, job: int, lines: Iterable[str]) -> None:
        """Show the job no more, but these lines, which stay."""
        ...


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def __call__(self, job: int, statuses: dict[str, WorkerStatus]) -> None: ...

    def end(self, job: int, lines: Iterable[str]) -> None:  # noqa: ARG002
        _print(lines)


class Gauge:
    """Reads frames, speed, time left and load off the statuses, over the last few seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, dict[str, float]]] = deque()
        self.frames = 0
        self.total: int | None = None
        self._rate = 0.0

    def update(self, statuses: dict[str, WorkerStatus], now: float) -> None:
        """Take in the latest statuses."""
        lanes: dict[str, list[float]] = {}
        for clock in (clock for status in statuses.values() for clock in status.stages):
            lanes.setdefault(clock.name, []).append(clock.busy)
        busy = {name: sum(times) / len(times) for name, times in lanes.items()}
        self.frames = next((c.frames for s in statuses.values() for c in s.stages if c.name == "encode"), 0)
        source = next((s.reports["decode"] for s in statuses.values() if s.reports.get("decode")), {})
        self.total, self._rate = source.get("expected_frames"), source.get("rate", 0.0)
        self._samples.append((now, self.frames, busy))
        while now - self._samples[0][0] > _WINDOW and len(self._samples) > 2:
            self._samples.popleft()

    @property
    def fps(self) -> float:
        """Frames a second of late."""
        (then, frames, _), (now, latest, _) = self._samples[0], self._samples[-1]
        return (latest - frames) / (now - then) if now > then else 0.0

    def text(self) -> str:
        """``312/9000 frames  5.2 fps  0.17x real time  ETA 27:53``."""
        parts = [f"{self.frames}{f'/{self.total}' if self.total else ''} frames", f"{self.fps:.1f} fps"]
        if self._rate:
            parts.append(f"{self.fps / self._rate:.2f}x real time")
        if self.total and self.fps:
            left = max(0, round((self.total - self.frames) / self.fps))
            parts.append(f"ETA {left // 3600:d}:{left // 60 % 60:02d}:{left % 60:02d}")
        return "  ".join(parts)

    def load(self) -> str:
        """``decode 3%  infer 95% ...``: the share of time that each stage worked; the highest is the bottleneck."""
        (then, _, before), (now, _, after) = self._samples[0], self._samples[-1]
        if now <= then:
            return ""
        shares = {name: (busy - before.get(name, 0.0)) / (now - then) for name, busy in after.items()}
        return "  ".join(f"{name} {min(1.0, shares[name]):.0%}" for name in STAGES if name in shares)


class Live:
    """A bar with the figures beside it for each job that has begun, and the load of each stage below."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._gauges = [Gauge() for _ in names]
        columns = (BarColumn(bar_width=30), TextColumn("{task.percentage:>3.0f}%  {task.fields[text]}", markup=False))
        self._bars = RichProgress(*columns, console=Console(stderr=True), transient=True)
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
            text = f"{self._names[job]}{gauge.text()}\n{gauge.load()}"
            self._bars.update(self._tasks[job], completed=gauge.frames, total=gauge.total, text=text)

    def end(self, job: int, lines: Iterable[str]) -> None:
        if job in self._tasks:
            self._bars.remove_task(self._tasks.pop(job))
        for line in lines:
            self._bars.console.print(printable(line), soft_wrap=True, markup=False, highlight=False)


class Lines:
    """A plain line for each job now and then."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._gauges = [Gauge() for _ in names]
        self._next = [time.monotonic() + _LINE_EVERY] * len(names)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def __call__(self, job: int, statuses: dict[str, WorkerStatus]) -> None:
        now, gauge = time.monotonic(), self._gauges[job]
        gauge.update(statuses, now)
        if now >= self._next[job]:
            self._next[job] = now + _LINE_EVERY
            print(f"{self._names[job]}{gauge.text()}  [{gauge.load()}]", file=sys.stderr, flush=True)

    def end(self, job: int, lines: Iterable[str]) -> None:  # noqa: ARG002
        _print(lines)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(printable(line), file=sys.stderr, flush=True)


def display(names: list[str], *, quiet: bool) -> Display:
    """The one that fits where stderr goes. ``names``: of the jobs, shown if there are several."""
    if quiet:
        return Silent()
    labels = [""] if len(names) == 1 else [f"{printable(name)}: " for name in names]
    return Live(labels) if sys.stderr.isatty() else Lines(labels)
