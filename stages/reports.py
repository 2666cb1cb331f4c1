"""What stages on files tell of their work. Plain data, light to import: whoever reads it needs no codec."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

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
class DecodeReport:
    """How reading a video went, or goes.

    Attributes:
        width, height: of its pictures, in pixels.
        codec: libav's name of the decoder.
        rate: pictures a second, nominal.
        expected_frames: of the whole job; ``frames_counted``: whether the header counts them.
        expected_seconds: of the whole job, as far as can be told.
        start: seconds of the output at which it begins.
        resumed: frames that an earlier run had done.
        frames: read so far.
        interlaced: how many pictures were interlaced.
        changes: of the pictures' look.
        joins: jumps of the clock.
        seconds: up to which was read.
        losses: what the source could not give.
        left_out: what the pictures say beside their pixels, and is not taken along, in words.
    """

    width: int
    height: int
    codec: str
    rate: float
    expected_frames: int | None
    frames_counted: bool
    expected_seconds: float | None
    start: float
    frames: int
    interlaced: int
    changes: tuple[Change, ...]
    joins: tuple[Join, ...]
    seconds: float
    losses: LossReport
    left_out: tuple[str, ...]
    resumed: int = 0


def as_data(report: Any) -> dict[str, Any]:
    """A report, a dataclass, in dicts and lists, as ``--json`` shows it."""
    return asdict(report, dict_factory=lambda pairs: {k: list(v) if isinstance(v, tuple) else v for k, v in pairs})
