"""Decode losses: counted, listed with their times, and fatal with ``--strict``."""

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.common.option_names import option
from sr4k.errors import DamageError
from sr4k.media.reports import LossKind, LossReport, LostPlace

_LISTED = 100
"""Maximum number of places that are listed; further losses are only counted."""

REORDERED = 16
"""Maximum reordering depth in pictures: the largest that H.264 and HEVC allow."""

_ONE_EACH = {"h264", "hevc", "mpeg2video", "mjpeg", "apng", "prores", "dnxhd", "ffv1", "ffvhuff", "huffyuv"}
"""Decoders that return exactly one picture for each intact packet with a pts."""


@dataclass(slots=True)
class _Place:
    kind: LossKind
    at: Fraction
    until: Fraction
    frames: int


@dataclass(slots=True)
class Losses:
    """Decode losses of one file.

    Attributes:
        file: its name, for errors.
        strict: whether the first loss is an error.
        near: losses of one kind within this many seconds are listed as one place.
        counts: lost frames by kind.
        retimed: frames whose pts was missing or did not increase; they are not lost.
        reasons: descriptions, each once.
    """

    file: str
    strict: bool = False
    near: Fraction = Fraction(1, 10)
    counts: dict[LossKind, int] = field(default_factory=lambda: {"packets": 0, "missing": 0, "concealed": 0})
    retimed: int = 0
    reasons: list[str] = field(default_factory=list)
    _places: list[_Place] = field(default_factory=list)
    _unlisted: int = 0

    def add(
        self, kind: LossKind, reason: str, at: Fraction | None, frames: int = 1, until: Fraction | None = None
    ) -> None:
        """Count a loss.

        Args:
            kind: see `LossKind`.
            reason: a description for people.
            at: time of the first lost frame, in seconds of the source; ``None``: unknown.
            frames: number of lost frames.
            until: time of the last lost frame; ``None``: the same.

        Raises:
            DamageError: ``strict`` is set.
        """
        if self.strict:
            where = "" if at is None else f" at {float(at):.2f} s"
            strict = option("strict", True)
            raise DamageError(f"{self.file} is damaged{where}: {reason}. {strict} stops at the first loss.")
        self.counts[kind] += frames
        if reason not in self.reasons:
            self.reasons.append(reason)
        if at is not None:
            self._list(_Place(kind, at, at if until is None else until, frames))

    @property
    def total(self) -> int:
        """Lost frames of all kinds."""
        return sum(self.counts.values())

    def forget(self) -> None:
        """Discard all losses so far."""
        self.counts = dict.fromkeys(self.counts, 0)
        self.retimed = self._unlisted = 0
        self.reasons, self._places = [], []

    def report(self) -> LossReport:
        """Return the losses as plain data."""
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


class PendingPackets:
    """Packets that were sent to the decoder and have not become pictures yet.

    Decoders return pictures in the order of their pts, so a packet that is passed over is lost. For codecs whose
    packets may legitimately yield no picture, only the decoder's errors count as losses.

    Args:
        stream: the stream that is decoded.
        tick: its time base, in seconds.
        losses: counts the losses.
    """

    def __init__(self, stream: VideoStream, tick: Fraction, losses: Losses) -> None:
        self._tick, self._losses = tick, losses
        self._one_each = stream.codec_context.name in _ONE_EACH
        self._times: set[int] = set()
        self._recent: deque[int] = deque(maxlen=REORDERED)
        self._early: list[int] | None = []  # pts of packets before the first picture
        self._complaints: list[str] = []  # decoder errors not matched to a lost packet yet

    def sent(self, packet: "Packet[Any]") -> None:
        """Note a packet that was sent to the decoder."""
        if packet.pts is None or packet.is_discard or not packet.size:
            return
        if self._early is not None:
            self._early.append(packet.pts)
        self._times.add(packet.pts)

    def failed(self, packet: "Packet[Any]", reason: str) -> None:
        """Note a decoder error for this packet; a frame-threaded decoder may mean an earlier one.

        Raises:
            InputError: the error is a loss, and losses are fatal.
        """
        if self._one_each and packet.pts is not None:
            self._complaints.append(reason)
        else:
            at = None if packet.pts is None else packet.pts * self._tick
            self._losses.add("packets", reason, at)

    def shown(self, picture: VideoFrame, *, whole: bool) -> None:
        """Note a decoded picture. ``whole``: whether the stream is read from its beginning.

        Raises:
            InputError: packets before it are lost, and losses are fatal.
        """
        if self._early is not None:
            self._begin(picture, whole=whole)
        if picture.interlaced_frame:  # its fields may have a packet each
            self._one_each = False
        if picture.pts is None:
            return
        self._times.discard(picture.pts)
        self._recent.append(picture.pts)
        if len(self._recent) == REORDERED:
            self._count_lost([pts for pts in self._times if pts < min(self._recent)])

    def ended(self) -> None:
        """Count the packets that are still pending; call it when the decoder is drained.

        Raises:
            InputError: there are some, and losses are fatal.
        """
        if self._recent:
            self._count_lost(list(self._times))
        for reason in self._complaints:
            self._losses.add("packets", reason, None)

    def _begin(self, picture: VideoFrame, *, whole: bool) -> None:
        """Count the packets before the first picture, which can't be decoded without a key frame."""
        early, self._early = self._early or [], None
        lost = [] if picture.pts is None else sorted(pts for pts in early if pts < picture.pts)
        self._times.difference_update(lost)
        self._complaints.clear()
        if lost and whole:
            reason = "the start can't be decoded: its key frame is missing"
            self._losses.add("missing", reason, lost[0] * self._tick, len(lost), lost[-1] * self._tick)

    def _count_lost(self, times: list[int]) -> None:
        self._times.difference_update(times)
        if not self._one_each:
            return
        for pts in sorted(times):
            reason = self._complaints.pop(0) if self._complaints else "packets that yielded no frame"
            self._losses.add("packets", reason, pts * self._tick)
