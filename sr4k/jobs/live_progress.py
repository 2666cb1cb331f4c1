"""How a live job is doing, for programs that run one."""

from collections.abc import Mapping
from dataclasses import dataclass

from sr4k.live.channel_reports import INTAKE, PLAYOUT, IntakeReport, PlayoutReport
from sr4k.pipeline import WorkerStatus, report_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetProgress:
    """One target of a live job.

    Attributes:
        target: its address, without secrets.
        state: connecting, live, waiting (for another try), off (as an operator wants), ended, or hangs.
        reason: why it is not live.
    """

    target: str
    state: str = "connecting"
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveProgress:
    """A live job at one moment. Its counts are since the last start of its workers.

    Attributes:
        state: of the source: connecting, waiting (for another try), live, away, or hangs.
        reason: why the source is not live.
        received: number of frames received.
        fps: frames received per second, lately.
        dropped: number of frames received that were not used.
        sent: number of frames encoded for the targets, which all get the same; ``targets`` says which of them are
            reached.
        repeated: number of those that filled a gap.
        seconds: seconds of video sent.
        restarts: how often the workers were restarted.
        targets: each target.
    """

    state: str = "connecting"
    reason: str | None = None
    received: int = 0
    fps: float = 0.0
    dropped: int = 0
    sent: int = 0
    repeated: int = 0
    seconds: float = 0.0
    restarts: int = 0
    targets: tuple[TargetProgress, ...] = ()


def live_progress(statuses: Mapping[str, WorkerStatus], restarts: int = 0) -> LiveProgress:
    """Return the progress, from the latest statuses of the workers."""
    taken = report_of(statuses, INTAKE, IntakeReport) or IntakeReport()
    played = report_of(statuses, PLAYOUT, PlayoutReport) or PlayoutReport()
    return LiveProgress(
        state=taken.state,
        reason=taken.reason,
        received=taken.frames,
        fps=taken.fps,
        dropped=sum(taken.dropped.values()),
        sent=played.frames,
        repeated=played.repeated,
        seconds=played.seconds,
        restarts=restarts,
        targets=tuple(
            TargetProgress(target=each.target, state=each.state, reason=each.reason) for each in played.targets
        ),
    )
