"""The status of live channels, gathered from their stages' reports for metrics, health checks and the terminal."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from sr4k.jobs.watchdog import Stall, Watchdog
from sr4k.live.channel_reports import INTAKE, PLAYOUT, IntakeReport, PlayoutReport, TargetReport
from sr4k.media.reports import INFER, EngineReport
from sr4k.pipeline import WorkerStatus, report_of
from sr4k.service.failure_kinds import Kind, kind_of

_N = TypeVar("_N", int, float)
_K = TypeVar("_K", bound=str)
_End = TypeVar("_End", IntakeReport, TargetReport)

Phase = Literal["starting", "running", "waiting", "ended"]
"""Phase of a channel: not started yet; its graph runs; it failed and will be restarted; it has ended."""

_SILENCE = 3.0
"""Seconds without a status after which a graph counts as down, as between the death of a worker and the restart."""


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """Status of a channel's graph at one moment.

    Attributes:
        intake: the source.
        playout: the output.
        engine: what runs the network; ``None`` before it starts.
        queues: frames that wait behind each worker.
        cpu: CPU seconds of each worker.
        busy: seconds of work of each stage, summed over lanes.
        worked: frames of each stage, summed over lanes.
        past_rung: the ladder's rung before, in words, for a series of it that stays.
    """

    intake: IntakeReport
    playout: PlayoutReport
    engine: EngineReport | None
    queues: Mapping[str, int]
    cpu: Mapping[str, float]
    busy: Mapping[str, float]
    worked: Mapping[str, int]
    past_rung: str = ""

    @classmethod
    def none_yet(cls, targets: Sequence[str] = (), source: str = "") -> "LiveStatus":
        """Return the status before a graph has reported anything."""
        none_yet = tuple(TargetReport(target=target) for target in targets)
        return cls(IntakeReport(source=source), PlayoutReport(targets=none_yet), None, {}, {}, {}, {})

    @classmethod
    def of(cls, statuses: Mapping[str, WorkerStatus], hanging: str | None = None) -> "LiveStatus":
        """Gather the latest status of each worker, by worker name. ``hanging``: the worker that hangs."""
        busy: dict[str, float] = {}
        worked: dict[str, int] = {}
        for status in statuses.values():
            for clock in status.stages:
                busy[clock.name] = busy.get(clock.name, 0.0) + clock.busy
                worked[clock.name] = worked.get(clock.name, 0) + clock.frames
        intake = report_of(statuses, INTAKE, IntakeReport) or IntakeReport()
        playout = report_of(statuses, PLAYOUT, PlayoutReport) or PlayoutReport()
        held = None if hanging is None else statuses.get(hanging)
        stages = {} if held is None else held.reports
        return cls(
            intake=_doubted(intake) if INTAKE in stages else intake,
            playout=replace(playout, targets=tuple(map(_doubted, playout.targets))) if PLAYOUT in stages else playout,
            engine=report_of(statuses, INFER, EngineReport),
            queues={name: status.depth for name, status in statuses.items()},
            cpu={name: status.cpu for name, status in statuses.items()},
            busy=busy,
            worked=worked,
        )

    def filled(self, before: "LiveStatus") -> "LiveStatus":
        """Return this status with zeros for what only ``before`` has: no series of a metric is interrupted."""

        def zeros(now: Mapping[_K, _N], then: Mapping[_K, _N], nought: _N) -> dict[_K, _N]:
            return {**dict.fromkeys(then, nought), **now}

        playout = self.playout
        if not playout.targets:
            targets = tuple(TargetReport(target=target.target) for target in before.playout.targets)
            playout = replace(playout, targets=targets)
        intake = replace(self.intake, dropped=zeros(self.intake.dropped, before.intake.dropped, 0))
        return LiveStatus(
            intake,
            playout,
            self.engine or before.engine,
            zeros(self.queues, before.queues, 0),
            zeros(self.cpu, before.cpu, 0.0),
            zeros(self.busy, before.busy, 0.0),
            zeros(self.worked, before.worked, 0),
            before.intake.rung_name or before.past_rung,
        )

    @property
    def live(self) -> bool:
        """Whether pictures arrive and every target that is not turned off is live."""
        targets = [target for target in self.playout.targets if target.state != "off"]
        return self.intake.state == "live" and bool(targets) and all(target.state == "live" for target in targets)


def _doubted(report: _End) -> _End:
    """Return the report of a worker that hangs, with the state "hangs" in place of "live"."""
    return replace(report, state="hangs") if report.state == "live" else report


@dataclass(frozen=True, slots=True)
class Marks:
    """When something was last seen, as Unix times; 0: never.

    Attributes:
        frame_in: a picture that was received.
        frame_out: a picture that was encoded.
        failures: a failure, by part ("source", "target" or "channel") and `sr4k.service.failure_kinds.Kind`.
    """

    frame_in: float = 0.0
    frame_out: float = 0.0
    failures: Mapping[tuple[str, Kind], float] = field(default_factory=dict)

    def after(self, before: LiveStatus | None, graph: LiveStatus, now: float) -> "Marks":
        """Return the marks updated with the changes from the status ``before`` to ``graph``, at Unix time ``now``."""
        frame_in, frame_out = (0, 0) if before is None else (before.intake.frames, before.playout.frames)
        found = dict(self.failures)
        if graph.intake.state != "live" and graph.intake.reason:
            found["source", kind_of(graph.intake.reason)] = now
        for target in graph.playout.targets:
            if target.state not in ("live", "off") and target.reason:
                found["target", kind_of(target.reason)] = now
        return Marks(
            now if graph.intake.frames > frame_in else self.frame_in,
            now if graph.playout.frames > frame_out else self.frame_out,
            found,
        )

    def failed(self, part: str, reason: str, now: float) -> "Marks":
        """Return the marks with a failure of ``part`` at Unix time ``now``."""
        return replace(self, failures={**self.failures, (part, kind_of(reason)): now})


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """Status of a channel at one moment.

    Attributes:
        name: the channel's name.
        phase: see `Phase`.
        began: when its graph was last started, as a Unix time; 0: not yet.
        heard: when its graph last reported anything, in seconds of `time.monotonic`.
        thread: the native id of the thread that runs it.
        restarts: how often its graph was started again.
        error: why it does not run.
        stall: the worker that hangs.
        graph: the latest status of its graph, if it runs.
        last: the latest status, completed from earlier graphs, so that no series of a metric ends between two runs.
        marks: when pictures and failures were last seen.
    """

    name: str
    phase: Phase = "starting"
    began: float = 0.0
    heard: float = 0.0
    thread: int | None = None
    restarts: int = 0
    error: str | None = None
    stall: Stall | None = None
    graph: LiveStatus | None = None
    last: LiveStatus = field(default_factory=LiveStatus.none_yet)
    marks: Marks = field(default_factory=Marks)

    @property
    def up(self) -> bool:
        """Whether its graph runs and has reported within the last seconds."""
        return self.phase == "running" and time.monotonic() - self.heard < _SILENCE

    @property
    def ready(self) -> bool:
        """Whether nothing hangs, pictures arrive and every target is live."""
        return self.up and self.stall is None and self.graph is not None and self.graph.live

    def as_dict(self) -> dict[str, Any]:
        """Return the channel's part of ``/ready``, for JSON."""
        health: dict[str, Any] = {"ready": self.ready, "up": self.up, "phase": self.phase, "restarts": self.restarts}
        if (error := self.error or (self.stall and str(self.stall))) is not None:
            health["error"] = error
        if self.graph is not None:
            intake = self.graph.intake
            health["in"] = {"source": intake.source, "state": intake.state, "reason": intake.reason}
            health["out"] = [
                {"target": target.target, "state": target.state, "reason": target.reason}
                for target in self.graph.playout.targets
            ]
        return health


class ChannelMonitor:
    """Keeps the latest status of a channel. Only the thread that runs the channel writes it; any thread may read it.

    Args:
        name: the channel's name.
        targets: addresses of its targets, as they may be shown.
        source: address of its source, as it may be shown.
    """

    def __init__(self, name: str, targets: Sequence[str] = (), source: str = "") -> None:
        self._status = ChannelStatus(name, last=LiveStatus.none_yet(targets, source))
        self._runs = 0
        self._watchdog = Watchdog()

    @property
    def status(self) -> ChannelStatus:
        """The latest status."""
        return self._status

    @contextmanager
    def running(self) -> Iterator[None]:
        """Context in which the channel's graph runs; for the thread that runs it."""
        self._change(phase="running", thread=threading.get_native_id(), error=None)
        self._started()
        try:
            yield
        finally:
            self._change(phase="ended", graph=None, stall=None)

    def update(self, statuses: Mapping[str, WorkerStatus]) -> None:
        """Record the latest status of each worker, by worker name."""
        stall = self._watchdog.look(statuses)
        graph = LiveStatus.of(statuses, None if stall is None else stall.worker)
        marks = self._status.marks.after(self._status.graph, graph, time.time())
        if stall is not None:
            marks = marks.failed("channel", str(stall), time.time())
        self._change(
            graph=graph, last=graph.filled(self._status.last), stall=stall, marks=marks, heard=time.monotonic()
        )

    def gave_up(self, error: str) -> None:
        """Record that the channel has ended by an error that a restart can't cure. ``error``: without secrets."""
        self._change(phase="ended", error=error, marks=self._status.marks.failed("channel", error, time.time()))

    def failed(self, error: str) -> None:
        """Record that its graph failed and will be restarted. ``error``: without secrets."""
        marks = self._status.marks.failed("channel", error, time.time())
        self._change(phase="waiting", error=error, marks=marks, graph=None, stall=None)

    def restarted(self) -> None:
        """Record that its graph was restarted within the same run."""
        self._change(phase="running", error=None)
        self._started()

    def _started(self) -> None:
        self._watchdog = Watchdog()
        self._change(began=time.time(), heard=time.monotonic(), restarts=self._runs, graph=None, stall=None)
        self._runs += 1

    def _change(self, **changes: Any) -> None:
        self._status = replace(self._status, **changes)
