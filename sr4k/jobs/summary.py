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
    engine: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return as_data(self)


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

    ``stages`` has, by name, the seconds of work and the frames of each stage; ``processes`` the CPU seconds of each.
    ``losses`` is what the source could not give, ``left_out`` what the target could not carry. Of the ``frames``,
    ``resumed`` were done by earlier runs, to which the ``earlier`` losses came. ``goes_on``: whether it was stopped and
    can be resumed.
    """

    output: str
    frames: int
    resumed: int
    stopped: bool
    source: SourceReport
    video: VideoReport
    losses: JobLosses
    left_out: list[str]
    stages: dict[str, dict[str, float]]
    processes: dict[str, dict[str, float]]
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
    losses = {each.name: getattr(read.losses, each.name) for each in fields(read.losses)}
    statuses = outcome.statuses.values()
    return Summary(
        output=str(output),
        frames=written.joined or resumed + written.frames,
        resumed=resumed,
        seconds=outcome.seconds,
        stopped=outcome.stopped,
        source=read.source,
        engine=_of_all_lanes(outcome.lane_reports[INFER]),
        left_out=[*read.left_out, *written.left_out],
        video=written.video,
        losses=JobLosses(**losses, earlier=lost, copying=written.copy_damage),
        stages=_stages(statuses),
        processes={
            s.worker: {"cpu": s.cpu, "waited_in": s.waited_in, "waited_out": s.waited_out, "running": s.running}
            for s in statuses
        },
    )


def summarised_live(outcome: Outcome, seconds: float, restarts: int) -> LiveSummary:
    """Of a live channel, whose graph was started again ``restarts`` times within the ``seconds``."""
    reports = outcome.reports
    return LiveSummary(
        seconds=seconds,
        engine=reports.get(INFER, {}),
        restarts=restarts,
        intake=reports.get("intake", {}),
        playout=reports.get("playout", {}),
    )


def _of_all_lanes(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """What the engines tell; they differ in the share of the work that had to be computed alone."""
    shares = [report["computed"] for report in reports if "computed" in report]
    computed = {"computed": sum(shares) / len(shares)} if shares else {}
    return {**reports[0], "lanes": len(reports), **computed}


def _stages(statuses: Iterable[WorkerStatus]) -> dict[str, dict[str, float]]:
    """Seconds of work and frames of each stage, of all its lanes together."""
    found: dict[str, dict[str, float]] = {}
    for clock in (clock for status in statuses for clock in status.stages):
        stage = found.setdefault(clock.name, {"busy": 0.0, "frames": 0})
        stage["busy"] += clock.busy
        stage["frames"] += clock.frames
    return found
