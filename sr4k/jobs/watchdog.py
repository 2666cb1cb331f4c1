"""The watchdog of a live channel: detects worker processes that are alive but hang."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sr4k.live.channel_reports import INTAKE, PLAYOUT, IntakeReport, PlayoutReport
from sr4k.pipeline import GraphError, WorkerStatus, report_of

_STEP = 1.0
"""Maximum seconds that count between two checks: this process may have been suspended together with all others."""


class WorkerHangsError(GraphError):
    """A worker is alive but has stopped working."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """Seconds after which a stall is reported (``told``), and after which the graph is restarted (``most``)."""

    told: float
    most: float


_SILENT = _Rule(3.0, 8.0)
"""No status arrives; a worker sends four per second, whatever its stages do."""

_STARTING = _Rule(60.0, 60.0)
"""The same before the worker's first frame: it may be importing or compiling."""

_AT_A_FRAME = _Rule(5.0, 30.0)
"""A stage stays at one frame. Large networks on small machines take seconds per frame before the ladder skips them."""

_OUT = _Rule(5.0, 10.0)
"""No frame is encoded; if none arrives, the playout repeats the last one, so that there always is one."""

_IN = _Rule(15.0, 20.0)
"""No frame arrives from a source whose state is live: the intake should have given it up before."""


@dataclass(frozen=True, slots=True)
class Stall:
    """A stall; ``str()`` describes it.

    Attributes:
        worker: name of the worker.
        what: what does not happen.
        seconds: for how long.
        is_over: whether that is too long, and the graph has to be restarted.
    """

    worker: str
    what: str
    seconds: float
    is_over: bool

    def __str__(self) -> str:
        return f"the {self.worker} process hangs: {self.what} for {self.seconds:.0f} s"


class Watchdog:
    """Detects from the statuses of workers which of them hangs.

    Args:
        workers: names of the workers that have to report.
        hold: seconds without a frame after which the playout repeats the last one.
        clock: returns seconds, like `time.monotonic`.
    """

    def __init__(
        self, workers: Collection[str] = (), *, hold: float = 0.5, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._workers, self._hold, self._clock = workers, hold, clock
        self._looked = clock()
        self._still: dict[str, tuple[Any, float]] = {}

    def look(self, statuses: Mapping[str, WorkerStatus]) -> Stall | None:
        """Return what hangs now, or ``None``. Of several, return the last in the flow: those before it wait for it.

        Args:
            statuses: the latest of each worker, by worker name.
        """
        now = self._clock()
        step, self._looked = min(now - self._looked, _STEP), now
        stalls = list(self._stalls(statuses, step))
        order = list(self._workers or statuses)
        return max(stalls, key=lambda stall: (stall.is_over, order.index(stall.worker)), default=None)

    def _stalls(self, statuses: Mapping[str, WorkerStatus], step: float) -> Iterator[Stall]:
        for name in dict.fromkeys((*self._workers, *statuses)):
            status = statuses.get(name)
            if status is not None and status.ended:
                continue
            rule = _SILENT if status is not None and status.stages[-1].frames > 0 else _STARTING
            running = None if status is None else status.running
            yield from self._judged(name, "nothing was heard of it", running, step, rule)
            if status is not None:
                ending = any(other.ended for other in statuses.values())
                yield from self._inside(name, status, step, ending=ending)

    def _inside(self, name: str, status: WorkerStatus, step: float, *, ending: bool) -> Iterator[Stall]:
        for clock in status.stages:
            if clock.since is not None:
                what = f"its stage {clock.name} is at one picture"
                yield from self._judged(name, what, (clock.frames, clock.since), step, _AT_A_FRAME)
        played = report_of({name: status}, PLAYOUT, PlayoutReport)
        if played is not None and played.frames and not ending:
            rule = _Rule(_OUT.told + self._hold, _OUT.most + self._hold)
            yield from self._judged(name, "no picture was encoded", played.frames, step, rule)
        taken = report_of({name: status}, INTAKE, IntakeReport)
        if taken is not None and taken.state == "live":
            came = (taken.connects, taken.frames)
            yield from self._judged(name, "its source is open, and no picture came", came, step, _IN)

    def _judged(self, worker: str, what: str, value: Any, step: float, rule: _Rule) -> Iterator[Stall]:
        key = f"{worker}: {what}"
        before, seconds = self._still.get(key, (value, 0.0))
        seconds = seconds + step if before == value else 0.0
        self._still[key] = value, seconds
        if seconds >= rule.told:
            yield Stall(worker, what, seconds, seconds >= rule.most)
