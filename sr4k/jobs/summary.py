"""How jobs went: what is left of them when all their processes have ended."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sr4k.media.reports import (
    DECODE,
    ENCODE,
    INFER,
    DecodeReport,
    EncodeReport,
    EngineReport,
    LossReport,
    SourceReport,
    VideoReport,
    as_data,
)
from sr4k.pipeline import Outcome, WorkerStatus, report_of


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What is told of every run, of files and live streams.

    Attributes:
        seconds: from its start to its end.
        engine: which network ran on what, as the engine tells it.
    """

    seconds: float
    engine: EngineReport | None

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain dicts and lists, for JSON."""
        return {**as_data(self), "engine": {} if self.engine is None else self.engine.as_dict()}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWork:
    """Work of a stage, of all its lanes together.

    Attributes:
        busy: seconds of work.
        frames: number of frames that it emitted.
    """

    busy: float
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessWork:
    """Work of a worker, in seconds.

    Attributes:
        cpu: CPU time of its process.
        waited_in: time spent waiting for input.
        waited_out: time spent waiting for a free slot in its output.
        running: wall time since it started.
    """

    cpu: float
    waited_in: float
    waited_out: float
    running: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLosses(LossReport):
    """What the source could not give to this run and to those before it.

    Attributes:
        earlier: losses of the frames that earlier runs had done.
        copying: what was wrong with the other streams, in words.
    """

    earlier: int = 0
    copying: str | None = None


@dataclass(frozen=True, kw_only=True)
class Summary(RunSummary):
    """How a job went.

    ``stages`` and ``processes`` hold the work of each by name; see `sr4k.media.reports` for the names of stages.
    ``losses`` is what the source could not give, ``left_out`` what the target could not carry. Of the ``frames``,
    ``resumed`` were done by earlier runs, to which the ``earlier`` losses came. ``goes_on``: whether it was stopped and
    can be resumed.
    """

    engine: EngineReport
    output: str
    frames: int
    resumed: int
    stopped: bool
    source: SourceReport
    video: VideoReport
    losses: JobLosses
    left_out: list[str]
    stages: dict[str, StageWork]
    processes: dict[str, ProcessWork]
    goes_on: bool = False

    @property
    def fps(self) -> float:
        """Frames a second, start-up included."""
        return (self.frames - self.resumed) / self.seconds if self.seconds else 0.0

    @property
    def damaged(self) -> bool:
        """Whether anything of the source was lost or had to be patched up."""
        lost = self.losses
        return bool(lost.packets or lost.missing or lost.concealed or lost.earlier or lost.copying)

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**super().as_dict(), "fps": self.fps, "damaged": self.damaged}


@dataclass(frozen=True, kw_only=True)
class LiveSummary(RunSummary):
    """How a channel went.

    ``intake`` and ``playout`` are what those stages reported last; ``restarts``: of the graph.
    """

    restarts: int
    intake: dict[str, Any]
    playout: dict[str, Any]


def summarised(output: Path, outcome: Outcome, resumed: int = 0, lost: int = 0) -> Summary:
    """Of a job on files.

    Args:
        output: what was written.
        outcome: how its graph ended.
        resumed: frames that were done before it.
        lost: what the source failed to give to those.
    """
    read = report_of(outcome.statuses, DECODE, DecodeReport)
    written = report_of(outcome.statuses, ENCODE, EncodeReport)
    assert read is not None and written is not None  # which a graph that came to its end has told
    engines = [report for report in outcome.lane_reports[INFER] if isinstance(report, EngineReport)]
    losses = {each.name: getattr(read.losses, each.name) for each in fields(read.losses)}
    statuses = outcome.statuses.values()
    return Summary(
        output=str(output),
        frames=written.joined or resumed + written.frames,
        resumed=resumed,
        seconds=outcome.seconds,
        stopped=outcome.stopped,
        source=read.source,
        engine=EngineReport.of_lanes(engines),
        left_out=[*read.left_out, *written.left_out],
        video=written.video,
        losses=JobLosses(**losses, earlier=lost, copying=written.copy_damage),
        stages=_stages(statuses),
        processes={
            s.worker: ProcessWork(cpu=s.cpu, waited_in=s.waited_in, waited_out=s.waited_out, running=s.running)
            for s in statuses
        },
    )


def summarised_live(outcome: Outcome, seconds: float, restarts: int) -> LiveSummary:
    """Of a live channel, whose graph was started again ``restarts`` times within the ``seconds``."""
    statuses = outcome.statuses
    return LiveSummary(
        seconds=seconds,
        engine=report_of(statuses, INFER, EngineReport),
        restarts=restarts,
        intake=report_of(statuses, "intake", dict) or {},
        playout=report_of(statuses, "playout", dict) or {},
    )


def _stages(statuses: Iterable[WorkerStatus]) -> dict[str, StageWork]:
    found: dict[str, StageWork] = {}
    for clock in (clock for status in statuses for clock in status.stages):
        before = found.get(clock.name, StageWork(busy=0.0, frames=0))
        found[clock.name] = StageWork(busy=before.busy + clock.busy, frames=before.frames + clock.frames)
    return found
