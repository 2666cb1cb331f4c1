"""What the input could not give: counted, listed with its times, and not borne at all where that is asked for."""

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.errors import InputError
from sr4k.media.reports import LossKind, LossReport, LostPlace

_LISTED = 100
"""Places at most: what else is lost is counted."""

REORDERED = 16
"""Pictures that one may be late by: the most that H.264 and HEVC allow."""

_ONE_EACH = {"h264", "hevc", "mpeg2video", "mjpeg", "prores", "dnxhd", "ffv1", "ffvhuff", "huffyuv"}
"""Decoders that make one picture of each packet that has a time, if all goes well."""


@dataclass(slots=True)
class _Place:
    kind: LossKind
    at: Fraction
    until: Fraction
    frames: int


@dataclass(slots=True)
class Losses:
    """What is lost of one file.

    Attributes:
        strict: whether the first loss is an error.
        near: seconds between two of a kind that count as one place.
    """

    file: str
    strict: bool = False
    near: Fraction = Fraction(1, 10)
    counts: dict[LossKind, int] = field(default_factory=lambda: {"packets": 0, "missing": 0, "concealed": 0})
    retimed: int = 0  # frames whose pts was missing or did not grow: none of them is lost
    reasons: list[str] = field(default_factory=list)
    _places: list[_Place] = field(default_factory=list)
    _unlisted: int = 0

    def add(
        self, kind: LossKind, reason: str, at: Fraction | None, frames: int = 1, until: Fraction | None = None
    ) -> None:
        """Count what is lost from ``at`` to ``until``, in seconds of the source.

        Raises:
            InputError: it is the first, and there must be none.
        """
        if self.strict:
            where = "" if at is None else f" at {float(at):.2f} s"
            raise InputError(f"{self.file} is damaged{where}: {reason}. --strict stops at the first loss.")
        self.counts[kind] += frames
        if reason not in self.reasons:
            self.reasons.append(reason)
        if at is not None:
            self._list(_Place(kind, at, at if until is None else until, frames))

    @property
    def total(self) -> int:
        """Of all kinds."""
        return sum(self.counts.values())

    def forget(self) -> None:
        """All that is lost so far."""
        self.counts = dict.fromkeys(self.counts, 0)
        self.retimed = self._unlisted = 0
        self.reasons, self._places = [], []

    def report(self) -> LossReport:
        """All of it."""
        places = sorted(self._places, key=lambda place: place.at)
        return LossReport(
            packets=self.counts["packets"],
            missing=self.counts["missing"],
            concealed=self.counts["concealed"],
            retimed=self.retimed,
            first_at=float(places[0].at) if places else None,
            reasons=tuple(self.reasons),
            places=tuple(LostPlace(place.kind, float(place.at), float(place.until), place.frames) for place in places),
            unlisted=self._unlisted,
        )

    def _list(self, new: _Place) -> None:
        last = next((place for place in reversed(self._places) if place.kind == new.kind), None)
        if last is not None and last.at <= new.at <= last.until + self.near:
            last.until = max(last.until, new.until)
            last.frames += new.frames
        elif len(self._places) < _LISTED:
            self._places.append(new)
        else:
            self._unlisted += new.frames


class Awaited:
    """Packets of a stream that have not become pictures.

    Decoders give pictures in the order of their times, if not of their packets: what is passed over does not come.
    Of codecs where a packet may rightly give none, what the decoder complains of is lost.
    """

    def __init__(self, stream: VideoStream, tick: Fraction, losses: Losses) -> None:
        self._tick, self._losses = tick, losses
        self._one_each = stream.codec_context.name in _ONE_EACH
        self._times: set[int] = set()
        self._shown: deque[int] = deque(maxlen=REORDERED)
        self._early: list[int] | None = []  # before the first picture
        self._complaints: list[str] = []  # that no lost packet has answered for yet

    def sent(self, packet: "Packet[Any]") -> None:
        """To the decoder."""
        if packet.pts is None or packet.is_discard or not packet.size:
            return
        if self._early is not None:
            self._early.append(packet.pts)
        self._times.add(packet.pts)

    def failed(self, packet: "Packet[Any]", reason: str) -> None:
        """The decoder did, with this packet or, as it works on several at once, with one just before."""
        if self._one_each and packet.pts is not None:
            self._complaints.append(reason)
        else:
            at = None if packet.pts is None else packet.pts * self._tick
            self._losses.add("packets", reason, at)

    def shown(self, picture: VideoFrame, *, whole: bool) -> None:
        """The decoder gave it. ``whole``: that the stream was read from its beginning."""
        if self._early is not None:
            self._begin(picture, whole=whole)
        if picture.interlaced_frame:  # whose fields may have packets of their own
            self._one_each = False
        if picture.pts is None:
            return
        self._times.discard(picture.pts)
        self._shown.append(picture.pts)
        if len(self._shown) == REORDERED:
            self._give_up([pts for pts in self._times if pts < min(self._shown)])

    def ended(self) -> None:
        """The decoder has given all it has."""
        if self._shown:
            self._give_up(list(self._times))
        for reason in self._complaints:
            self._losses.add("packets", reason, None)

    def _begin(self, picture: VideoFrame, *, whole: bool) -> None:
        """Count what comes before the first picture, for want of a key frame."""
        early, self._early = self._early or [], None
        lost = [] if picture.pts is None else sorted(pts for pts in early if pts < picture.pts)
        self._times.difference_update(lost)
        self._complaints.clear()
        if lost and whole:
            reason = "the start can't be decoded: its key frame is missing"
            self._losses.add("missing", reason, lost[0] * self._tick, len(lost), lost[-1] * self._tick)

    def _give_up(self, times: list[int]) -> None:
        self._times.difference_update(times)
        if not self._one_each:
            return
        for pts in sorted(times):
            reason = self._complaints.pop(0) if self._complaints else "packets without a picture"
            self._losses.add("packets", reason, pts * self._tick)
