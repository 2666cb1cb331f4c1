"""How jobs went: what is left of them when all their processes have ended."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sr4k.pipeline import Outcome, WorkerStatus


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
        return asdict(self)


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
    source: dict[str, Any]
    video: dict[str, Any]
    losses: dict[str, Any]
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
        return any(self.losses.get(key) for key in ("packets", "missing", "concealed", "earlier", "copying"))

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
    reports = outcome.reports
    source, video = dict(reports["decode"]), dict(reports["encode"])
    losses = {**source.pop("losses"), "earlier": lost, "copying": video.pop("copy_damage")}
    statuses = outcome.statuses.values()
    frames, _ = resumed + video.pop("frames"), video.pop("is_whole", None)
    return Summary(
        output=str(output),
        frames=video.pop("joined", None) or frames,
        resumed=resumed,
        seconds=outcome.seconds,
        stopped=outcome.stopped,
        source=source,
        engine=_of_all_lanes(outcome.lane_reports["infer"]),
        left_out=[*source.pop("left_out", []), *video.pop("left_out")],
        video=video,
        losses=losses,
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
        engine=reports.get("infer", {}),
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
