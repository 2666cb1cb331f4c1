"""What stages on files tell of their work. Plain data, light to import: whoever reads it needs no codec."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

DECODE: Final = "decode"
INFER: Final = "infer"
ENCODE: Final = "encode"
"""Names of the stages whose reports are read. A live stream has `sr4k.live.receive.intake.Intake` in place of the first
and `sr4k.live.send.playout.Playout` in place of the last, which report as ``intake`` and ``playout``."""

LossKind = Literal["packets", "missing", "concealed"]
"""Packets that could not be decoded; frames that were promised and never came; frames that the decoder patched up."""


@dataclass(frozen=True, slots=True)
class Change:
    """Another look than that of the picture before: at how many seconds, and which."""

    at: float
    to: str


@dataclass(frozen=True, slots=True)
class Join:
    """A jump of the clock: at how many seconds, and by how many what follows it is moved."""

    at: float
    by: float


@dataclass(frozen=True, slots=True)
class LostPlace:
    """Where ``frames`` of a kind were lost, in seconds of the source."""

    kind: LossKind
    at: float
    until: float
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LossReport:
    """What the source could not give.

    Attributes:
        packets, missing, concealed: frames lost, by kind; see `LossKind`.
        retimed: frames whose pts was missing or did not grow: none of them is lost.
        first_at: seconds of the first loss whose place is known.
        reasons: in words, each once.
        places: where, up to a number of them; ``unlisted``: frames that were lost elsewhere.
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
    """The video that is read, and how far.

    Attributes:
        width, height: of its pictures, in pixels.
        codec: libav's name of the decoder.
        rate: pictures a second, nominal.
        expected_frames: of the whole job; ``frames_counted``: whether the header counts them.
        expected_seconds: of the whole job, as far as can be told.
        start: seconds of the output at which it begins.
        resumed: frames that an earlier run had done.
        frames: read so far, by this run.
        interlaced: how many pictures were interlaced.
        changes: of the pictures' look.
        joins: jumps of the clock.
        seconds: up to which was read.
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
    """The same where there are two ways to decode: on the CPU, or by the GPU's own decoder."""

    decoder: Literal["cpu", "nvdec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeReport:
    """How reading a video goes, or went.

    Attributes:
        source: the video.
        losses: what it could not give.
        left_out: what its pictures say beside their pixels, and is not taken along, in words.
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

    def as_dict(self) -> dict[str, Any]:
        """Return all that is not ``None``, for JSON."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @staticmethod
    def of_lanes(reports: "Sequence[EngineReport]") -> "EngineReport":
        """Return one report for engines that ran side by side: they differ in ``computed`` alone."""
        shares = [report.computed for report in reports if report.computed is not None]
        return replace(reports[0], lanes=len(reports), computed=sum(shares) / len(shares) if shares else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoReport:
    """The video that is written, and how far.

    Attributes:
        codec: libav's name of the encoder.
        width, height: in pixels.
        container: libav's name, or ``pictures``.
        converted: other streams that the container can't hold as they were, in words.
        until: seconds of the output at which the last picture ends.
        latency: median and p95 of the seconds from a frame's decoding to its packet; ``None``: not measured.
    """

    codec: str
    width: int
    height: int
    container: str
    converted: tuple[str, ...] = ()
    until: float = 0.0
    latency: dict[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeReport:
    """How writing a result goes, or went.

    Attributes:
        video: what is written.
        frames: encoded so far, by this run.
        joined: frames in the file, where making it was cut short.
        is_whole: whether the file holds all of the source, once it is made; ``None``: it is made as frames come.
        copy_damage: what was wrong with the other streams, in words.
        left_out: what the target can't carry, in words.
    """

    video: VideoReport
    frames: int = 0
    joined: int | None = None
    is_whole: bool | None = None
    copy_damage: str | None = None
    left_out: tuple[str, ...] = ()


def as_data(report: Any) -> dict[str, Any]:
    """A report, a dataclass, in dicts and lists, as ``--json`` shows it."""
    return asdict(report, dict_factory=lambda pairs: {k: list(v) if isinstance(v, tuple) else v for k, v in pairs})
