"""Made-up statuses of the workers of a live channel."""

from dataclasses import replace
from typing import Any

from sr4k.live.address import Address, parse_source, parse_target
from sr4k.live.channel_reports import INTAKE, PLAYOUT, IntakeReport, PlayoutReport, TargetReport
from sr4k.live.histogram import HistogramReport
from sr4k.media.reports import EngineReport
from sr4k.pipeline import WorkerStatus
from sr4k.pipeline.chain import StageClock

SOURCE = "rtmp://user:passw0rd@in.example/live/streamkey1?token=t0k3n"
TARGET = "rtmp://out.example/app/streamkey2"
SECRETS = "passw0rd", "streamkey1", "t0k3n", "streamkey2"


def addresses() -> tuple[Address, Address]:
    """Return the addresses of ``SOURCE`` and ``TARGET``."""
    return parse_source(SOURCE), parse_target(TARGET)


def target(**changes: Any) -> TargetReport:
    """Return the report of one target."""
    usual = TargetReport(
        target=str(addresses()[1]), state="live", connects=2, bytes=5000, dropped=7, queue_seconds=0.25
    )
    return replace(usual, **changes)


def statuses(
    intake: dict[str, Any] | None = None, playout: dict[str, Any] | None = None, running: float = 1.0
) -> dict[str, WorkerStatus]:
    """Return the latest statuses of both workers, with some fields of their reports changed."""
    taken = IntakeReport(
        source=str(addresses()[0]),
        state="live",
        connects=3,
        frames=100,
        dropped={"late": 4, "ladder": 5, "clock": 6, "backlog": 11, "full": 12},
        restarts=1,
        rung=2,
        rung_name="every 4th picture through the network",
        steps=8,
        age_ms=30.0,
        bytes=9000,
        losses=2,
        damaged=1,
    )
    played = PlayoutReport(
        frames=90,
        repeated=13,
        silence_seconds=1.5,
        keyframes=4,
        av_offset_ms=-12.0,
        latency={"median": 0.1, "p95": 0.2},
        latency_histogram=HistogramReport((0.1, 1.0), (2, 1, 1), 6.2),
        seconds=3.6,
        targets=(target(), target(bytes=1)),
    )
    engine = EngineReport(
        engine="openvino", model="luma", precision="int8", device="CPU", threads=2, macs=1e9, computed=0.5
    )
    reports = {INTAKE: replace(taken, **(intake or {})), "infer": engine}
    last = {PLAYOUT: replace(played, **(playout or {}))}
    clocks = (StageClock("intake", 0.5, 100), StageClock("infer", 2.5, 80))
    return {
        "upscale": WorkerStatus("upscale", clocks, running, 0.0, 0.0, 4.5, 3, reports),
        "playout": WorkerStatus("playout", (StageClock("playout", 1.5, 90),), running, 0.0, 0.0, 2.5, 0, last),
    }
