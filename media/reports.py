"""Reports of the stages that read and write files. Plain data, light to import: reading a report needs no codec."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from sr4k.pipeline.latency import Spread

DECODE: Final = "decode"
INFER: Final = "infer"
SECOND_PASS: Final = "second pass"
CLEAN_UP: Final = "clean-up"
ENCODE: Final = "encode"
"""Names of the stages whose reports are evaluated. A live channel has others instead of the first and the last; see
`sr4k.live.channel_reports`."""

LossKind = Literal["packets", "missing", "concealed"]
"""Packets that could not be decoded; frames that were announced and never came; frames with errors concealed."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the pictures' look: its time in seconds, and the new look."""

    at: float
    to: str


@dataclass(frozen=True, slots=True)
class Join:
    """A discontinuity of the clock: its time, and the shift of all that follows, in seconds."""

    at: float
    by: float


@dataclass(frozen=True, slots=True)
class LostPlace:
    """A place where ``frames`` of one kind were lost, from ``at`` to ``until`` in seconds of the source."""

    kind: LossKind
    at: float
    until: float
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LossReport:
    """Decode losses of a source.

    Attributes:
        packets, missing, concealed: lost frames, by kind; see `LossKind`.
        retimed: frames whose pts was missing or did not increase; they are not lost.
        first_at: time of the first loss whose place is known, in seconds.
        reasons: descriptions, each once.
        places: the first places; ``unlisted``: frames that were lost at further ones.
    """

    packets: int = 0
    missing: int = 0
    concealed: int = 0
    retimed: int = 0
    first_at: float | None = None
    reasons: tuple[str, ...] = ()
    places: tuple[LostPlace, ...] = ()
    unlisted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """The video that is read, and how far reading has come.

    Attributes:
        width, height: size of its pictures, in pixels.
        codec: libav's name of the decoder.
        rate: nominal frame rate, in frames a second.
        expected_frames: frames of the whole job, ``None`` if unknown; ``frames_counted``: whether the header counts
            them.
        expected_seconds: duration of the whole job, ``None`` if unknown.
        start: time of the output at which it begins, in seconds.
        resumed: frames that an earlier run had done.
        frames: frames read by this run so far.
        interlaced: interlaced pictures so far.
        changes: changes of the pictures' look.
        joins: discontinuities of the clock.
        seconds: time of the latest frame, in seconds.
    """

    width: int
    height: int
    codec: str
    rate: float
    expected_frames: int | None
    frames_counted: bool
    expected_seconds: float | None
    start: float = 0.0
    resumed: int = 0
    frames: int = 0
    interlaced: int = 0
    changes: tuple[Change, ...] = ()
    joins: tuple[Join, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSourceReport(SourceReport):
    """The same for a graph that decodes either on the CPU or with the GPU's own decoder."""

    decoder: Literal["cpu", "nvdec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeReport:
    """Progress or outcome of reading a video.

    Attributes:
        source: the video.
        losses: its decode losses.
        left_out: descriptions of the pictures' side data that are not kept.
    """

    source: SourceReport
    losses: LossReport = LossReport()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """Which network ran on what. ``None``: the engine has no such thing.

    Attributes:
        engine: name of the backend, a key of `sr4k.engines.ENGINES`.
        version: of the backend's library.
        device: name of the CPU or GPU, as the library gives it.
        model: name of the network.
        precision: that the network ran in, such as ``int8``.
        threads: CPU threads of the engine.
        macs: multiply-accumulates per frame.
        kept: whether the engine was saved in the cache.
        tiles: number of tiles that each frame is cut into.
        lanes: number of engines that ran side by side.
        computed: share of each frame that was computed and not reused, 0 to 1; the mean over all frames and lanes.
        cleaned: names of the networks that frames went through first, at their own size; ``macs`` are of all networks.
        sharpness: how crisp the result is, if not 0.
        passes: 2 where each frame goes through the network twice; ``macs`` and ``computed`` are of both passes.
        source_qualities: number of frames by the quality of sources that the weights they went through are for
            (`sr4k.models.source_quality`); ``None``: the network has one set of weights.
    """

    engine: str
    version: str | None = None
    device: str | None = None
    model: str
    precision: str
    threads: int
    macs: float
    kept: bool | None = None
    tiles: int | None = None
    lanes: int | None = None
    computed: float | None = None
    sharpness: int | None = None
    passes: int | None = None
    cleaned: tuple[str, ...] | None = None
    source_qualities: dict[int, int] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return all that is not ``None``, for JSON."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @staticmethod
    def of_lanes(reports: "Sequence[EngineReport]") -> "EngineReport":
        """Return one report for engines that ran side by side: shares are averaged, and numbers of frames added."""
        shares = [report.computed for report in reports if report.computed is not None]
        frames: Counter[int] = sum((Counter(report.source_qualities or {}) for report in reports), Counter())
        return replace(
            reports[0],
            lanes=len(reports),
            computed=sum(shares) / len(shares) if shares else None,
            source_qualities=dict(frames) or None,
        )

    @property
    def networks(self) -> str:
        """Names of all networks that frames went through, as ``--model`` takes them."""
        return "+".join((*(self.cleaned or ()), self.model))

    def with_clean_up(self, first: "CleanUpReport") -> "EngineReport":
        """Return one report for this network and those that frames went through before it."""
        cleaned = tuple(report.model for report in first.networks)
        return replace(self, macs=self.macs + sum(report.macs for report in first.networks), cleaned=cleaned)

    def with_second(self, second: "EngineReport") -> "EngineReport":
        """Return one report for this first pass and a second one."""
        macs, computed = self.macs + second.macs, None
        if self.computed is not None and second.computed is not None and macs:
            computed = (self.macs * self.computed + second.macs * second.computed) / macs
        return replace(self, macs=macs, computed=computed, passes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanUpReport:
    """Which networks frames went through at their own size; ``networks``: a report of each, in order."""

    networks: tuple[EngineReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoReport:
    """The video that is written, and how far writing has come.

    Attributes:
        codec: libav's name of the encoder.
        width, height: in pixels.
        container: libav's name, or ``pictures``.
        converted: descriptions of other streams that were converted because the container can't hold them as they were.
        until: time of the output at which the last picture ends, in seconds.
        latency: median and 95th percentile of the time from a frame's decoding to its packet, in seconds; ``None``:
            not measured.
    """

    codec: str
    width: int
    height: int
    container: str
    converted: tuple[str, ...] = ()
    until: float = 0.0
    latency: Spread | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeReport:
    """Progress or outcome of writing a result.

    Attributes:
        video: the video that is written.
        frames: frames encoded by this run so far.
        joined: frames in the file, if joining the segments was interrupted.
        is_whole: whether the finished file holds all of the source; ``None``: it is written as frames come.
        copy_damage: a description of damage in the other streams.
        left_out: descriptions of what the target's container can't hold.
    """

    video: VideoReport
    frames: int = 0
    joined: int | None = None
    is_whole: bool | None = None
    copy_damage: str | None = None
    left_out: tuple[str, ...] = ()


def as_data(report: Any) -> dict[str, Any]:
    """Return a report (a dataclass) as dicts and lists, as ``--json`` prints it."""
    return asdict(report, dict_factory=lambda pairs: {k: list(v) if isinstance(v, tuple) else v for k, v in pairs})
