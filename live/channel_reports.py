"""Reports of the two ends of a live channel. Plain data, light to import: reading a report needs no codec.

Counters run since the graph was started.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from sr4k.live.histogram import Histogram, HistogramReport
from sr4k.pipeline.latency import Spread

INTAKE: Final = "intake"
PLAYOUT: Final = "playout"
"""Names of the stages that report; see `sr4k.media.reports` for those between them."""

SourceState = Literal["connecting", "waiting", "live", "away", "hangs"]
"""Of a source. ``hangs``: its process does, as the watchdog finds; no stage reports that of itself."""

TargetState = Literal["connecting", "live", "waiting", "off", "ended", "hangs"]
"""Of a target. ``off``: an operator wants it to get nothing. ``hangs``: the playout does."""

DropCause = Literal["late", "ladder", "clock", "backlog", "full"]
"""Causes for which the intake drops pictures; see the metric ``dropped_frames``."""


def none_dropped() -> dict[DropCause, int]:
    """Return 0 for each cause."""
    return dict.fromkeys(get_args(DropCause), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeReport:
    """The source.

    Attributes:
        source: its address, as it may be shown.
        state: see `SourceState`; ``reason``: why it is not live.
        connects: how often it was opened.
        losses: how often it was lost.
        frames: pictures received.
        fps: pictures received per second, lately.
        bytes: bytes received.
        bitrate: bits received per second, lately.
        damaged: packets that could not be decoded, and pictures with concealed errors.
        interlaced: pictures that were deinterlaced.
        dropped: pictures that were not used, by cause.
        restarts: how often its time stamps started again.
        rung: rung of the ladder; 0: every picture goes through the network.
        rung_name: the rung in words.
        rungs: all rungs in words, the best picture first.
        pinned: whether an operator wants it to stay at its rung.
        steps: how often the rung changed.
        age_ms: age of the last picture when it was passed to the network, in ms.
    """

    source: str = ""
    state: SourceState = "connecting"
    reason: str | None = None
    connects: int = 0
    losses: int = 0
    frames: int = 0
    fps: float = 0.0
    bytes: int = 0
    bitrate: float = 0.0
    damaged: int = 0
    interlaced: int = 0
    dropped: Mapping[DropCause, int] = field(default_factory=none_dropped)
    restarts: int = 0
    rung: int = 0
    rung_name: str = ""
    rungs: tuple[str, ...] = ()
    pinned: bool = False
    steps: int = 0
    age_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetReport:
    """One target.

    Attributes:
        target: its address, as it may be shown.
        state: see `TargetState`; ``reason``: why it is not live.
        connects: how often it was opened.
        bytes: bytes that have arrived at it.
        bitrate: bits that arrive at it per second, lately.
        dropped: packets that were not sent to it.
        queue_seconds: seconds that its oldest queued packet has waited.
    """

    target: str
    state: TargetState = "connecting"
    reason: str | None = None
    connects: int = 0
    bytes: int = 0
    bitrate: float = 0.0
    dropped: int = 0
    queue_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutReport:
    """The output.

    Attributes:
        frames: pictures encoded.
        fps: pictures encoded per second, lately.
        slate: whether an operator wants the slate to be sent.
        repeated: those among them that filled a gap.
        keyframes: key frames encoded.
        past: pictures that came when repeated ones had gone past their time, and were not encoded.
        seconds: length of the output so far.
        silence_seconds: seconds of silence that filled gaps in the sound.
        av_offset_ms: time by which sound is later than video, in ms.
        latency: seconds from the reception of a picture until it was encoded, of the latest ones.
        latency_histogram: the same of all pictures.
        codec: libav's name of the encoder; ``None`` until it is open, as ``width`` and ``height``, in pixels.
        targets: each target.
    """

    frames: int = 0
    fps: float = 0.0
    slate: bool = False
    repeated: int = 0
    keyframes: int = 0
    past: int = 0
    seconds: float = 0.0
    silence_seconds: float = 0.0
    av_offset_ms: float | None = None
    latency: Spread | None = None
    latency_histogram: HistogramReport = field(default_factory=lambda: Histogram().report())
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    targets: tuple[TargetReport, ...] = ()
