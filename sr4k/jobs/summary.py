"""Summaries of finished jobs, made from the last statuses of their workers."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sr4k.live.channel_reports import INTAKE, PLAYOUT, IntakeReport, PlayoutReport
from sr4k.media.reports import (
    CLEAN_UP,
    DECODE,
    ENCODE,
    INFER,
    SECOND_PASS,
    CleanUpReport,
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
    """What summaries of jobs on files and of live jobs have in common.

    Attributes:
        seconds: wall time of the run.
        engine: which network ran on which engine.
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
    """Decode losses of this run, and of earlier runs of the same job.

    Attributes:
        earlier: number of losses in earlier runs.
        copying: damage of the streams that were copied, in words; ``None``: none.
    """

    earlier: int = 0
    copying: str | None = None


@dataclass(frozen=True, kw_only=True)
class Summary(RunSummary):
    """Summary of a job on files.

    Attributes:
        output: path of what was written.
        frames: number of frames in it.
        resumed: how many of these earlier runs had done.
        stopped: whether the job was stopped before the end of the source.
        source: the video that was read.
        video: the video that was written.
        losses: decode losses.
        left_out: what the target container can't hold, in words.
        stages: work of each stage, by name; see `sr4k.media.reports` for names.
        processes: work of each worker, by name.
        goes_on: whether the job was stopped and can be resumed.
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
        """Frames per second, including the start-up."""
        return (self.frames - self.resumed) / self.seconds if self.seconds else 0.0

    @property
    def damaged(self) -> bool:
        """Whether any of the source was lost or concealed."""
        lost = self.losses
        return bool(lost.packets or lost.missing or lost.concealed or lost.earlier or lost.copying)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain dicts and lists, for JSON."""
        return {**super().as_dict(), "fps": self.fps, "damaged": self.damaged}


@dataclass(frozen=True, kw_only=True)
class LiveSummary(RunSummary):
    """Summary of a live job.

    Attributes:
        restarts: how often the graph was restarted.
        intake: latest report on the source; ``None``: there was none, as when the workers were restarted at last.
        playout: the same on the output.
    """

    restarts: int
    intake: IntakeReport | None
    playout: PlayoutReport | None

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain dicts and lists, for JSON; a report that is missing is empty."""
        told = super().as_dict()
        return {**told, "intake": told["intake"] or {}, "playout": told["playout"] or {}}


def summarised(output: Path, outcome: Outcome, resumed: int = 0, lost: int = 0) -> Summary:
    """Return the summary of a job on files.

    Args:
        output: path of what was written.
        outcome: how its graph ended.
        resumed: number of frames that earlier runs had done.
        lost: number of losses in earlier runs.
    """
    read = report_of(outcome.statuses, DECODE, DecodeReport)
    written = report_of(outcome.statuses, ENCODE, EncodeReport)
    assert read is not None and written is not None  # a graph that finished has reported both
    losses = {each.name: getattr(read.losses, each.name) for each in fields(read.losses)}
    statuses = outcome.statuses.values()
    return Summary(
        output=str(output),
        frames=written.joined or resumed + written.frames,
        resumed=resumed,
        seconds=outcome.seconds,
        stopped=outcome.stopped,
        source=read.source,
        engine=_engine(outcome),
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
    """Return the summary of a live job whose graph was restarted ``restarts`` times within ``seconds``."""
    statuses = outcome.statuses
    engine, second = (report_of(statuses, name, EngineReport) for name in (INFER, SECOND_PASS))
    if engine is not None and (cleaned := report_of(statuses, CLEAN_UP, CleanUpReport)) is not None:
        engine = engine.with_clean_up(cleaned)
    return LiveSummary(
        seconds=seconds,
        engine=engine.with_second(second) if engine is not None and second is not None else engine,
        restarts=restarts,
        intake=report_of(statuses, INTAKE, IntakeReport),
        playout=report_of(statuses, PLAYOUT, PlayoutReport),
    )


def _engine(outcome: Outcome) -> EngineReport:
    """Return one report for all lanes and passes."""
    first, second = (
        [report for report in outcome.lane_reports.get(name, []) if isinstance(report, EngineReport)]
        for name in (INFER, SECOND_PASS)
    )
    told = EngineReport.of_lanes(first)
    if (cleaned := report_of(outcome.statuses, CLEAN_UP, CleanUpReport)) is not None:
        told = told.with_clean_up(cleaned)
    return told.with_second(EngineReport.of_lanes(second)) if second else told


def _stages(statuses: Iterable[WorkerStatus]) -> dict[str, StageWork]:
    found: dict[str, StageWork] = {}
    for clock in (clock for status in statuses for clock in status.stages):
        before = found.get(clock.name, StageWork(busy=0.0, frames=0))
        found[clock.name] = StageWork(busy=before.busy + clock.busy, frames=before.frames + clock.frames)
    return found
