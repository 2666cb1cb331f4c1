"""One clock for a file whose own starts again: joined recordings, programmes cut together, a counter that wraps.

All packets behind a jump are moved by the same time, so that sound and pictures stay together. Whoever reads the file
from its beginning gets the same times: decoder and muxer read it each for itself.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from sr4k.media.reading.open_file import packets_of
from sr4k.media.video import ratio

_BACK = Fraction(1, 10)
"""Seconds by which dts may go back in a stream without a jump, where clocks may jump (as ffmpeg has it)."""

_FORWARD = Fraction(10)
"""Seconds by which they may go on there, and by which streams may be apart."""

_STEADY_BACK, _STEADY_FORWARD = Fraction(1), Fraction(30 * 3600)
"""The same for the other containers, in which a jump is a fault."""

_LOOK = Fraction(2)
"""Seconds of a stream that has jumped within which the others are waited for."""

_SOON = Fraction(1)
"""Seconds of it that are looked at in any case, for pictures that are shown before the first."""

_STRAY = 2
"""Packets of a stream, one after the other, that may have wrong times without being a part of their own."""

_HELD = 20_000
"""Packets at most that this takes."""

_EARLY = {"matroska,webm"}
"""Containers whose negative times are shown: more of them than the lead of a sound's decoder are moved up to 0."""

_LEAD = Fraction(1, 10)
"""Seconds that such a lead may take."""

_BY_READING = {"flv"}
"""Containers whose clock should not jump, but that are joined by putting them one after the other."""


@dataclass(slots=True)
class _Course:
    """How far one stream has come, in ticks of its own clock."""

    tick: Fraction
    usual: int  # duration, where a packet tells none
    is_video: bool
    is_steady: bool  # pictures and sound, of which something comes all the time
    part: int = 0
    last: int | None = None  # dts
    end: int = 0  # of the packet, by dts
    shown: int = 0  # the latest end of a picture

    def take(self, packet: "Packet[Any]") -> None:
        assert packet.dts is not None
        duration = packet.duration or self.usual
        self.last, self.end = packet.dts, packet.dts + duration
        self.shown = max(self.shown, (packet.dts if packet.pts is None else packet.pts) + duration)

    @property
    def until(self) -> Fraction:
        """Where something else may follow, in seconds of its own clock."""
        return max(self.end, self.shown if self.is_video else self.end) * self.tick


@dataclass(slots=True)
class _New:
    """What a stream does after a jump."""

    course: _Course
    low: int  # the earliest time
    first: int  # dts
    last: int
    packets: int = 1
    is_over: bool = False  # it has jumped again

    @property
    def seconds(self) -> Fraction:
        return (self.last - self.first) * self.course.tick


@dataclass(slots=True)
class _Ahead:
    """What the packets after a jump tell."""

    old: dict[int, _Course] = field(default_factory=dict)
    new: dict[int, _New] = field(default_factory=dict)
    went_on: set[int] = field(default_factory=set)  # streams that kept to the old clock for long


class OneClock:
    """Packets of a file in its order, with times that only go on.

    Attributes:
        start: seconds at which the file begins.
        shift: seconds by which all of it is moved from the beginning on.
        jumps: seconds at which its clock jumped, and by how much.
    """

    def __init__(self, container: InputContainer, video: VideoStream) -> None:
        self._container = container
        self._video = video
        may_jump = Flags.ts_discont in Flags(container.format.flags)
        self._back, self._forward = (_BACK, _FORWARD) if may_jump else (_STEADY_BACK, _STEADY_FORWARD)
        self.is_read_through = may_jump or container.format.name in _BY_READING
        begin = Fraction(container.start_time or 0, av.time_base)
        first = (video.start_time or 0) * Fraction(video.time_base or 1)
        # a counter that wraps soon after the beginning: libav counts up to 0 there, which most containers can't tell
        is_early = first < 0 if may_jump else container.format.name in _EARLY and begin < -_LEAD
        self.shift = -begin if is_early else Fraction(0)
        self._moves = [self.shift]
        self.start = begin + self.shift
        self._courses = {stream.index: _course(stream) for stream in container.streams if stream.time_base}
        self._now: Fraction | None = None
        self.jumps: list[tuple[Fraction, Fraction]] = []

    def packets(self) -> "Iterator[Packet[Any]]":
        """All that come, and last an empty one of each stream.

        Raises:
            av.error.FFmpegError: reading broke off.
        """
        source = packets_of(self._container)
        waiting: deque[Packet[Any]] = deque()
        broken: list[av.error.FFmpegError] = []
        while True:
            packet = waiting.popleft() if waiting else next(source, None)
            if packet is None:
                if broken:
                    raise broken[0]
                return
            course = self._courses.get(packet.stream.index)
            if course is not None and packet.dts is not None:
                if not self._place(course, packet):
                    self._meet(course, packet, self._ahead(packet, waiting, source, broken))
            elif course is not None:
                self._move(packet, course)
            yield packet

    def _place(self, course: _Course, packet: "Packet[Any]") -> bool:
        """Whether it is known which clock the packet has: it is moved, then."""
        assert packet.dts is not None
        if not course.is_steady or course.last is None:
            course.part = self._nearest(course, packet.dts)
        elif not self._goes_on(course, packet.dts):
            fitting = self._fitting(course, packet.dts)
            if fitting is None:
                return False
            self._enter(course, fitting)
        self._accept(course, packet)
        return True

    def _accept(self, course: _Course, packet: "Packet[Any]") -> None:
        course.take(packet)
        self._move(packet, course)
        if course.is_steady and packet.dts is not None:
            self._now = packet.dts * course.tick

    def _move(self, packet: "Packet[Any]", course: _Course, by: Fraction = Fraction(0)) -> None:
        move = self._moves[course.part] + by
        if move:
            ticks = round(move / course.tick)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks

    def _goes_on(self, course: _Course, dts: int) -> bool:
        assert course.last is not None
        return -self._back <= (dts - course.last) * course.tick and (dts - course.end) * course.tick <= self._forward

    def _fitting(self, course: _Course, dts: int) -> int | None:
        """The part in which this is what comes next, or what the other streams are at, if there is one."""
        due, at = course.end * course.tick + self._moves[course.part], dts * course.tick
        late = {part: at + move - due for part, move in enumerate(self._moves)}
        found = [part for part, gap in late.items() if -self._back <= gap <= self._forward]
        if not found and self._now is not None and late[course.part] > 0:
            found = [course.part] if abs(at + self._moves[course.part] - self._now) <= self._forward else []
        return min(found, key=lambda part: abs(late[part]), default=None)

    def _nearest(self, course: _Course, dts: int) -> int:
        """The part that puts what comes now and then, or for the first time, nearest to the rest."""
        parts = range(course.part, len(self._moves))
        if self._now is None:
            return course.part
        now, at = self._now, dts * course.tick
        return min(parts, key=lambda part: abs(at + self._moves[part] - now))

    @staticmethod
    def _enter(course: _Course, part: int) -> None:
        course.part, course.shown = part, 0

    def _ahead(
        self,
        packet: "Packet[Any]",
        waiting: "deque[Packet[Any]]",
        source: "Iterator[Packet[Any]]",
        broken: list[av.error.FFmpegError],
    ) -> _Ahead:
        """Look at what comes after a packet that jumps; it stays in ``waiting``."""
        found = _Ahead({index: replace(course) for index, course in self._courses.items() if course.is_steady})
        self._see(found, packet)
        jumped = packet.stream.index
        seen = iter(list(waiting))
        while len(waiting) < _HELD and jumped in found.new and not self._seen_enough(found, jumped):
            after = next(seen, None)
            if after is None:
                try:
                    after = next(source, None)
                except av.error.FFmpegError as err:
                    broken.append(err)
                    break
                if after is None:
                    break
                waiting.append(after)
            self._see(found, after)
        return found

    def _see(self, found: _Ahead, packet: "Packet[Any]") -> None:
        index = packet.stream.index
        course, new = found.old.get(index), found.new.get(index)
        if course is None or packet.dts is None:
            return
        low = packet.dts if packet.pts is None or not course.is_video else packet.pts
        if course.last is None:
            course.take(packet)
        elif new is None:
            if self._goes_on(course, packet.dts) or self._fitting(course, packet.dts) is not None:
                if (packet.dts - (self._courses[index].last or 0)) * course.tick >= _SOON:
                    found.went_on.add(index)
                course.take(packet)
            else:
                found.new[index] = _New(course, low, packet.dts, packet.dts)
        elif not new.is_over and -self._back <= (packet.dts - new.last) * course.tick <= self._forward:
            new.low, new.last, new.packets = min(new.low, low), max(new.last, packet.dts), new.packets + 1
        elif new.packets <= _STRAY and self._goes_on(course, packet.dts):
            del found.new[index]  # it goes on as if nothing had been
        else:
            new.is_over = True

    @staticmethod
    def _seen_enough(found: _Ahead, jumped: int) -> bool:
        own = found.new[jumped]
        alive = {index for index, course in found.old.items() if course.last is not None}
        return own.seconds >= _LOOK or ((own.seconds >= _SOON or own.is_over) and alive <= {*found.new})

    def _meet(self, course: _Course, packet: "Packet[Any]", ahead: _Ahead) -> None:
        """Place a packet that jumps, by what comes after it."""
        assert packet.dts is not None
        own = ahead.new.get(packet.stream.index)
        if own is None:  # a single one with a wrong time: it is put where it was due
            self._move(packet, course, (course.end - packet.dts) * course.tick)
            return
        if course.is_video or not ahead.went_on - {*ahead.new}:  # else sound alone: the pictures know better
            self._join(own, [new for new in ahead.new.values() if new is not own])
            self._enter(course, len(self._moves) - 1)
        self._accept(course, packet)

    def _join(self, own: _New, others: list[_New]) -> None:
        """Begin a part behind all that was before: as early as no stream overlaps."""
        at = own.low * own.course.tick
        together = [own, *(new for new in others if abs(new.low * new.course.tick - at) <= _FORWARD)]
        move = max(self._moves[new.course.part] + new.course.until - new.low * new.course.tick for new in together)
        self.jumps.append((at + move, move - self._moves[own.course.part]))
        self._moves.append(move)


def from_key_frame(packets: "Iterator[Packet[Any]]", video: VideoStream, at: Fraction) -> "Iterator[Packet[Any]]":
    """The packets of a video from the last key frame on that is shown no later than ``at`` seconds, then all others.

    Those before are read and left out; where no key frame comes for long, no more are.
    """
    tick = Fraction(video.time_base or 1)
    held: list[Packet[Any]] = []
    try:
        for packet in packets:
            if packet.stream.index != video.index:
                continue
            if packet.is_keyframe and packet.dts is not None:
                shown = packet.dts if packet.pts is None else packet.pts
                held = [] if shown * tick <= at else held
            held.append(packet)
            if packet.dts is None or packet.dts * tick > at or len(held) == _HELD:
                break
    except av.error.FFmpegError:
        yield from held
        raise
    yield from held
    yield from packets


def _course(stream: Stream) -> _Course:
    is_cover = bool(stream.disposition & Disposition.attached_pic)
    is_steady = stream.type in ("video", "audio") and not is_cover
    tick = Fraction(stream.time_base or 1)
    rate = ratio(stream.guessed_rate) if isinstance(stream, VideoStream) else None
    return _Course(tick, round(1 / (rate * tick)) if rate else 0, stream.type == "video", is_steady)
