"""What is known of live channels: read off the reports of their stages, and kept for those that ask."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self

from sr4k.live.rate import Rate
from sr4k.pipeline import WorkerStatus

Phase = Literal["starting", "running", "waiting", "ended"]
"""Of a channel: not yet begun; its graph runs; it failed and begins again soon; it came to its end."""

_SILENCE = 3.0
"""Seconds after which a graph that tells nothing is taken for gone, as it is from the death of a worker to the next."""


class _Report:
    """A report of a stage. Its keys are the fields; those that are missing have their defaults."""

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> Self:
        return cls(**{f.name: report[f.name] for f in fields(cls) if f.name in report})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class IntakeStatus(_Report):
    """Of the source so far.

    Attributes:
        state: connecting, waiting, live or away; ``reason`` says why it is not live.
        connects, losses: how often it was opened and lost; ``restarts``: how often its clock began anew.
        frames, bytes: received; ``dropped``: pictures that were not used, by cause.
        damaged: packets that could not be decoded, and pictures patched up.
        interlaced: pictures that were deinterlaced.
        fps: pictures received a second, lately.
        rung: of the ladder; 0: every picture goes through the network; ``steps``: how often it changed.
        age_ms: of the last picture when it was handed to the network.
    """

    state: str = "connecting"
    source: str = ""
    reason: str | None = None
    connects: int = 0
    losses: int = 0
    restarts: int = 0
    frames: int = 0
    bytes: int = 0
    damaged: int = 0
    interlaced: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    fps: float | None = None
    rung: int = 0
    rung_name: str = ""
    steps: int = 0
    age_ms: float | None = None


@dataclass(frozen=True, slots=True)
class OutletStatus(_Report):
    """Of one target so far.

    Attributes:
        state: connecting, live, waiting or ended; ``reason`` says why it is not live.
        connects: how often it was opened.
        dropped: packets that it did not get.
        queue_seconds: of video that wait for it.
    """

    target: str
    state: str = "connecting"
    reason: str | None = None
    connects: int = 0
    bytes: int = 0
    dropped: int = 0
    queue_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class PlayoutStatus(_Report):
    """Of the output so far.

    Attributes:
        frames: pictures encoded; ``repeated``: those among them that filled a gap.
        silence_seconds: of sound that filled gaps.
        av_offset_ms: sound less picture.
        latency: seconds from the reception of a picture until it was encoded: median and p95.
        seconds: of the output's timeline.
    """

    frames: int = 0
    repeated: int = 0
    silence_seconds: float = 0.0
    keyframes: int = 0
    av_offset_ms: float | None = None
    latency: Mapping[str, float] | None = None
    seconds: float = 0.0
    outlets: tuple[OutletStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """A channel's graph at one moment.

    ``queues`` and ``cpu``: frames behind each worker, and its CPU seconds. ``busy`` and ``worked``: seconds of work and
    frames of each stage, of all its lanes together. ``engine``: see `sr4k.engines.Engine.describe`.
    """

    intake: IntakeStatus
    playout: PlayoutStatus
    engine: Mapping[str, Any]
    queues: Mapping[str, int]
    cpu: Mapping[str, float]
    busy: Mapping[str, float]
    worked: Mapping[str, int]

    @classmethod
    def of(cls, statuses: Mapping[str, WorkerStatus]) -> "LiveStatus":
        """Read off the latest status of each worker, by worker name."""
        reports: dict[str, Mapping[str, Any]] = {}
        busy: dict[str, float] = {}
        worked: dict[str, int] = {}
        for status in statuses.values():
            for name, report in status.reports.items():
                reports.setdefault(name, report)
            for clock in status.stages:
                busy[clock.name] = busy.get(clock.name, 0.0) + clock.busy
                worked[clock.name] = worked.get(clock.name, 0) + clock.frames
        playout = dict(reports.get("playout", {}))
        playout["outlets"] = tuple(OutletStatus.of(outlet) for outlet in playout.get("outlets", ()))
        return cls(
            intake=IntakeStatus.of(reports.get("intake", {})),
            playout=PlayoutStatus.of(playout),
            engine=reports.get("infer", {}),
            queues={name: status.depth for name, status in statuses.items()},
            cpu={name: status.cpu for name, status in statuses.items()},
            busy=busy,
            worked=worked,
        )

    @property
    def live(self) -> bool:
        """Whether pictures come in, and go out to every target."""
        outlets = self.playout.outlets
        return self.intake.state == "live" and bool(outlets) and all(outlet.state == "live" for outlet in outlets)


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """A channel at one moment.

    Attributes:
        began: when its graph was started last; ``heard``: when it told anything last. Both as of `time.monotonic`.
        thread: the native id of the thread that runs it.
        restarts: how often its graph was started again.
        error: why it does not run.
        fps_out: pictures encoded a second, lately.
        graph: what its graph told last, if it runs.
    """

    name: str
    phase: Phase = "starting"
    began: float = 0.0
    heard: float = 0.0
    thread: int | None = None
    restarts: int = 0
    error: str | None = None
    fps_out: float | None = None
    graph: LiveStatus | None = None

    @property
    def up(self) -> bool:
        """Whether its graph runs, and tells so."""
        return self.phase == "running" and time.monotonic() - self.heard < _SILENCE

    @property
    def ready(self) -> bool:
        """Whether pictures come in, and go out to every target."""
        return self.up and self.graph is not None and self.graph.live

    def as_dict(self) -> dict[str, Any]:
        """What whoever asks for its health wants to know, for JSON."""
        told: dict[str, Any] = {"ready": self.ready, "up": self.up, "phase": self.phase, "restarts": self.restarts}
        if self.error is not None:
            told["error"] = self.error
        if self.graph is not None:
            intake = self.graph.intake
            told["in"] = {"source": intake.source, "state": intake.state, "reason": intake.reason}
            told["out"] = [
                {"target": outlet.target, "state": outlet.state, "reason": outlet.reason}
                for outlet in self.graph.playout.outlets
            ]
        return told


class ChannelMonitor:
    """Keeps the latest status of a channel. Written by the thread that runs it, read by any."""

    def __init__(self, name: str) -> None:
        self._status = ChannelStatus(name)
        self._runs = 0
        self._rate = Rate()

    @property
    def status(self) -> ChannelStatus:
        """Now."""
        return self._status

    @contextmanager
    def running(self) -> Iterator[None]:
        """While its graph runs, in the thread that runs it."""
        self._change(phase="running", thread=threading.get_native_id(), error=None)
        self._started()
        try:
            yield
        finally:
            self._change(phase="ended", fps_out=None, graph=None)

    def update(self, statuses: Mapping[str, WorkerStatus]) -> None:
        """Take in the latest status of each worker, by worker name."""
        known = self._status.graph
        if known is not None and not known.queues.keys() <= statuses.keys():
            self._started()  # workers have died, and others have taken their places
        graph = LiveStatus.of(statuses)
        self._change(graph=graph, fps_out=self._rate.of(graph.playout.frames), heard=time.monotonic())

    def failed(self, error: str) -> None:
        """Its graph broke, and is to be started again. ``error``: fit to be shown."""
        self._change(phase="waiting", error=error)

    def _started(self) -> None:
        now = time.monotonic()
        self._rate = Rate()
        self._change(began=now, heard=now, restarts=self._runs, fps_out=None, graph=None)
        self._runs += 1

    def _change(self, **changes: Any) -> None:
        self._status = replace(self._status, **changes)
