"""One continuous clock for a file whose timestamps jump: joined recordings, edited programmes, wrapped counters.

All packets after a jump are shifted by the same time, so that audio and video stay in sync. The shifts depend on the
file alone: decoder and muxer each read it from its beginning and get the same times.
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
"""Largest step back of dts, in seconds, that is not a jump, in containers that allow jumps (ffmpeg's threshold)."""

_FORWARD = Fraction(10)
"""Largest step forward there that is not a jump, and largest distance between streams, in seconds."""

_STEADY_BACK, _STEADY_FORWARD = Fraction(1), Fraction(30 * 3600)
"""The same for all other containers, in which a jump is a fault."""

_LOOK = Fraction(2)
"""Seconds of a stream after its jump within which the jumps of the other streams are awaited."""

_SOON = Fraction(1)
"""Seconds of it that are examined in any case, for pictures that are displayed before the first one."""

_STRAY = 2
"""Maximum number of successive packets of a stream whose times count as wrong, and not as a new section."""

_HELD = 20_000
"""Maximum number of packets to look ahead."""

_EARLY = {"matroska,webm"}
"""Containers whose packets with negative times are displayed: a file that begins before -`_LEAD` is shifted to 0."""

_LEAD = Fraction(1, 10)
"""Seconds before 0 that an audio decoder's priming may take."""

_BY_READING = {"flv"}
"""Containers whose clock should not jump, but that are commonly joined by concatenation."""


@dataclass(slots=True)
class _StreamClock:
    """Position of one stream, in ticks of its own clock."""

    tick: Fraction
    usual: int  # duration of packets that have none
    is_video: bool
    is_steady: bool  # audio and video, whose packets come continuously
    section: int = 0  # index of the section with one shift that the stream is in
    last: int | None = None  # dts of the latest packet
    end: int = 0  # its end, by dts
    shown: int = 0  # latest end of a picture, by pts

    def take(self, packet: "Packet[Any]") -> None:
        assert packet.dts is not None
        duration = packet.duration or self.usual
        self.last, self.end = packet.dts, packet.dts + duration
        self.shown = max(self.shown, (packet.dts if packet.pts is None else packet.pts) + duration)

    @property
    def until(self) -> Fraction:
        """End of the stream so far, where another section may begin, in seconds of its own clock."""
        return max(self.end, self.shown if self.is_video else self.end) * self.tick


@dataclass(slots=True)
class _Jumped:
    """A stream after its jump."""

    clock: _StreamClock
    low: int  # earliest pts
    first: int  # dts of the first packet
    last: int  # dts of the latest packet
    packets: int = 1
    is_over: bool = False  # whether it has jumped again

    @property
    def seconds(self) -> Fraction:
        return (self.last - self.first) * self.clock.tick


@dataclass(slots=True)
class _LookAhead:
    """State of all streams, as far as packets after a jump were examined."""

    old: dict[int, _StreamClock] = field(default_factory=dict)
    new: dict[int, _Jumped] = field(default_factory=dict)
    went_on: set[int] = field(default_factory=set)  # streams that stayed on the old clock for `_SOON`


class OneClock:
    """Returns the packets of a file in order, with continuous timestamps.

    Attributes:
        start: time at which the file begins, in seconds.
        shift: shift of the whole file, in seconds.
        jumps: times of the discontinuities, and the change of shift at each, in seconds.
        is_read_through: whether a position in the file can be found only by reading from the beginning.
        read: number of packets returned so far.

    Args:
        container: the open file.
        video: the video that is upscaled.
        can_seek: whether it is a file, and not read from a pipe.
    """

    def __init__(self, container: InputContainer, video: VideoStream, *, can_seek: bool = True) -> None:
        self._container = container
        self._video = video
        may_jump = Flags.ts_discont in Flags(container.format.flags)
        self._back, self._forward = (_BACK, _FORWARD) if may_jump else (_STEADY_BACK, _STEADY_FORWARD)
        self.is_read_through = not can_seek or may_jump or container.format.name in _BY_READING
        self.read = 0
        begin = Fraction(container.start_time or 0, av.time_base)
        first = (video.start_time or 0) * Fraction(video.time_base or 1)
        # libav makes times before an early wrap of the counter negative, which most containers can't store
        is_early = first < 0 if may_jump else container.format.name in _EARLY and begin < -_LEAD
        self.shift = -begin if is_early else Fraction(0)
        self._shifts = [self.shift]
        self.start = begin + self.shift
        self._clocks = {stream.index: _stream_clock(stream) for stream in container.streams if stream.time_base}
        self._now: Fraction | None = None
        self.jumps: list[tuple[Fraction, Fraction]] = []

    def packets(self) -> "Iterator[Packet[Any]]":
        """Yield all packets, and at the end an empty one of each stream.

        Raises:
            av.error.FFmpegError: reading failed.
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
            clock = self._clocks.get(packet.stream.index)
            if clock is not None and packet.dts is not None:
                if not self._place(clock, packet):
                    self._place_jump(clock, packet, self._ahead(packet, waiting, source, broken))
            elif clock is not None:
                self._move(packet, clock)
            self.read += 1
            yield packet

    def _place(self, clock: _StreamClock, packet: "Packet[Any]") -> bool:
        """Shift a packet if its section is known, and return whether it is."""
        assert packet.dts is not None
        if not clock.is_steady or clock.last is None:
            clock.section = self._nearest(clock, packet.dts)
        elif not self._goes_on(clock, packet.dts):
            fitting = self._matching_section(clock, packet.dts)
            if fitting is None:
                return False
            self._enter(clock, fitting)
        self._accept(clock, packet)
        return True

    def _accept(self, clock: _StreamClock, packet: "Packet[Any]") -> None:
        clock.take(packet)
        self._move(packet, clock)
        if clock.is_steady and packet.dts is not None:
            self._now = packet.dts * clock.tick

    def _move(self, packet: "Packet[Any]", clock: _StreamClock, by: Fraction = Fraction(0)) -> None:
        move = self._shifts[clock.section] + by
        if move:
            ticks = round(move / clock.tick)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks

    def _goes_on(self, clock: _StreamClock, dts: int) -> bool:
        assert clock.last is not None
        return -self._back <= (dts - clock.last) * clock.tick and (dts - clock.end) * clock.tick <= self._forward

    def _matching_section(self, clock: _StreamClock, dts: int) -> int | None:
        """Return the section in which this dts continues the stream, or is where the other streams are, if any."""
        due, at = clock.end * clock.tick + self._shifts[clock.section], dts * clock.tick
        late = {section: at + move - due for section, move in enumerate(self._shifts)}
        found = [section for section, gap in late.items() if -self._back <= gap <= self._forward]
        if not found and self._now is not None and late[clock.section] > 0:
            found = [clock.section] if abs(at + self._shifts[clock.section] - self._now) <= self._forward else []
        return min(found, key=lambda section: abs(late[section]), default=None)

    def _nearest(self, clock: _StreamClock, dts: int) -> int:
        """Return the section that puts a packet of a sparse stream, or a stream's first one, nearest to the others."""
        sections = range(clock.section, len(self._shifts))
        if self._now is None:
            return clock.section
        now, at = self._now, dts * clock.tick
        return min(sections, key=lambda section: abs(at + self._shifts[section] - now))

    @staticmethod
    def _enter(clock: _StreamClock, section: int) -> None:
        clock.section, clock.shown = section, 0

    def _ahead(
        self,
        packet: "Packet[Any]",
        waiting: "deque[Packet[Any]]",
        source: "Iterator[Packet[Any]]",
        broken: list[av.error.FFmpegError],
    ) -> _LookAhead:
        """Examine the packets after one that jumps; they are kept in ``waiting``."""
        found = _LookAhead({index: replace(clock) for index, clock in self._clocks.items() if clock.is_steady})
        self._note(found, packet)
        jumped = packet.stream.index
        seen = iter(list(waiting))
        while len(waiting) < _HELD and jumped in found.new and not self._is_decided(found, jumped):
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
            self._note(found, after)
        return found

    def _note(self, found: _LookAhead, packet: "Packet[Any]") -> None:
        index = packet.stream.index
        clock, new = found.old.get(index), found.new.get(index)
        if clock is None or packet.dts is None:
            return
        low = packet.dts if packet.pts is None or not clock.is_video else packet.pts
        if clock.last is None:
            clock.take(packet)
        elif new is None:
            if self._goes_on(clock, packet.dts) or self._matching_section(clock, packet.dts) is not None:
                if (packet.dts - (self._clocks[index].last or 0)) * clock.tick >= _SOON:
                    found.went_on.add(index)
                clock.take(packet)
            else:
                found.new[index] = _Jumped(clock, low, packet.dts, packet.dts)
        elif not new.is_over and -self._back <= (packet.dts - new.last) * clock.tick <= self._forward:
            new.low, new.last, new.packets = min(new.low, low), max(new.last, packet.dts), new.packets + 1
        elif new.packets <= _STRAY and self._goes_on(clock, packet.dts):
            del found.new[index]  # it continues as if there had been no jump
        else:
            new.is_over = True

    @staticmethod
    def _is_decided(found: _LookAhead, jumped: int) -> bool:
        own = found.new[jumped]
        alive = {index for index, clock in found.old.items() if clock.last is not None}
        return own.seconds >= _LOOK or ((own.seconds >= _SOON or own.is_over) and alive <= {*found.new})

    def _place_jump(self, clock: _StreamClock, packet: "Packet[Any]", ahead: _LookAhead) -> None:
        """Shift a packet that jumps, depending on the packets after it."""
        assert packet.dts is not None
        own = ahead.new.get(packet.stream.index)
        if own is None:  # a stray packet with a wrong time: it is put where it was expected
            self._move(packet, clock, (clock.end - packet.dts) * clock.tick)
            return
        if clock.is_video or not ahead.went_on - {*ahead.new}:  # audio alone has a gap if the video goes on
            self._join(own, [new for new in ahead.new.values() if new is not own])
            self._enter(clock, len(self._shifts) - 1)
        self._accept(clock, packet)

    def _join(self, own: _Jumped, others: list[_Jumped]) -> None:
        """Begin a section after all packets so far: as early as possible without any stream overlapping."""
        at = own.low * own.clock.tick
        together = [own, *(new for new in others if abs(new.low * new.clock.tick - at) <= _FORWARD)]
        move = max(self._shifts[new.clock.section] + new.clock.until - new.low * new.clock.tick for new in together)
        self.jumps.append((at + move, move - self._shifts[own.clock.section]))
        self._shifts.append(move)


def from_key_frame(packets: "Iterator[Packet[Any]]", video: VideoStream, at: Fraction) -> "Iterator[Packet[Any]]":
    """Yield the video's packets from the last key frame displayed at or before ``at`` seconds, then all packets.

    Packets before it are read and dropped, but no more than are held at once when no key frame comes for long.

    Args:
        packets: of the file, from its beginning.
        video: the video.
        at: time in seconds.

    Raises:
        av.error.FFmpegError: reading failed; the packets before that have been yielded.
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


def _stream_clock(stream: Stream) -> _StreamClock:
    is_cover = bool(stream.disposition & Disposition.attached_pic)
    is_steady = stream.type in ("video", "audio") and not is_cover
    tick = Fraction(stream.time_base or 1)
    rate = ratio(stream.guessed_rate) if isinstance(stream, VideoStream) else None
    return _StreamClock(tick, round(1 / (rate * tick)) if rate else 0, stream.type == "video", is_steady)
