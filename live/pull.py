"""One try to read a live source, in a process of its own, started by `sr4k.live.puller`.

It decodes what strangers send, so it may do little else, and it may die: whoever started it tries again.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from multiprocessing.connection import Connection
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.live.address import Address
from sr4k.live.fitting import fitted, fitting_info
from sr4k.live.link import Ended, PullerEnd, Sound, Tally
from sr4k.live.opening import CantOpenError, ended_by, open_source
from sr4k.live.pattern import Pattern
from sr4k.live.sandbox import Allowance, enter
from sr4k.live.sound import SAMPLE_RATE
from sr4k.live.timeline import TICKS, TIME_BASE
from sr4k.pipeline import FrameInfo
from sr4k.pipeline.channel import Memory
from sr4k.stages.decoded import copy_inside, padded_format
from sr4k.stages.video import VideoInfo

MOST_PIXELS = 4096 * 2304
"""Of a picture."""

_MOST_RATE = 120
"""Pictures a second."""

_EDGE = 0.004
"""Seconds that a read must have waited for what had not come yet: then there is no backlog any more."""

_LONGEST_BACKLOG = 3.0
"""Seconds after which a source that never waits is taken as it is."""

_UNDECODABLE = 50
"""Packets in a row without a picture: it would go on like this."""

_TALLY_EVERY = 0.5
"""Seconds."""

_JUMP = 5 * TICKS
"""Further from one packet to the next is no pace, but another clock."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a puller is told: where from, into which picture (``None``: the source's own), and over what."""

    source: Address
    like: VideoInfo | None
    size: tuple[int, int] | None
    wire: int
    memory: int


def main(order: Order) -> None:
    """Read until the source ends, or the parent does."""
    av.logging.set_level(None)  # its lines hold the address
    link = PullerEnd(Connection(order.wire), Memory(order.memory))
    allowance = enter()
    try:
        if order.source.kind == "pattern":
            ended = Pattern(order.source, link, order.like, order.size).run(allowance)
        else:
            ended = _read(order, link, allowance)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone
    except CantOpenError as err:
        ended = Ended(str(err), final=order.source.kind == "file")
    except MemoryError as err:
        ended = ended_by(err)
    link.send(ended)


def _read(order: Order, link: PullerEnd, allowance: Allowance) -> Ended:
    container, video = open_source(order.source)
    with container:
        return _Reader(order, link, allowance, container, video).run()


class _Reader:
    def __init__(
        self, order: Order, link: PullerEnd, allowance: Allowance, container: InputContainer, video: VideoStream
    ) -> None:
        self._order, self._link, self._allowance = order, link, allowance
        self._container, self._video = container, video
        self._audio = next(iter(container.streams.audio), None)
        self._is_live = order.source.kind in ("rtmp", "rtsp", "udp", "srt")
        self._pace = None if self._is_live else _Pace()
        self._tally = Tally()
        self._tallied = time.monotonic()
        self._info: VideoInfo | None = None
        self._resampler: AudioResampler | None = None
        self._recent: deque[float] = deque(maxlen=2 * _MOST_RATE)
        self._pts = 0
        self._barren = 0
        video.thread_type = "SLICE" if self._is_live else "AUTO"
        video.codec_context.options = {"max_pixels": str(MOST_PIXELS)}

    def run(self) -> Ended:
        packets = self._container.demux([s for s in (self._video, self._audio) if s is not None])
        began, edge, keyed = time.monotonic(), not self._is_live, False
        while True:
            asked = time.monotonic()
            try:
                packet = next(packets, None)
            except (FFmpegError, OSError) as err:
                return ended_by(err)
            now = time.monotonic()
            if packet is None:
                break
            edge = edge or now - asked >= _EDGE or now - began > _LONGEST_BACKLOG
            self._tally.bytes += packet.size
            if self._pace is not None:
                self._pace.keep(packet)
            if packet.stream.type == "audio":
                if edge:
                    self._hear(packet)
                continue
            keyed = keyed or packet.is_keyframe
            if keyed and (trouble := self._see(packet, time.monotonic(), at_edge=edge)) is not None:
                return trouble
            self._report()
        if self._is_live:
            return Ended("the publisher went away")
        return Ended("it came to its end", final=self._order.source.kind == "file")

    def _see(self, packet: "Packet[Any]", now: float, *, at_edge: bool) -> Ended | None:
        """Decode a packet of video, and pass its pictures on."""
        self._barren += packet.size > 0
        try:
            pictures = self._video.decode(packet)
        except (FFmpegError, ValueError):
            self._lose()
            pictures = []
        if self._barren > _UNDECODABLE:
            return Ended(f"no picture could be decoded from {_UNDECODABLE} packets")
        for picture in pictures:
            self._barren = 0
            self._allowance.renew()
            self._tally.pictures += 1
            if picture.width * picture.height > MOST_PIXELS:
                return Ended(f"its pictures are too large ({picture.width}x{picture.height})")
            if not at_edge:
                self._tally.backlog += 1
                continue
            self._recent.append(now)
            if len(self._recent) == 2 * _MOST_RATE and now - self._recent[0] < 2 and self._is_live:
                return Ended(f"more than {_MOST_RATE} pictures a second come")
            self._show(picture, now)
        return None

    def _show(self, picture: VideoFrame, now: float) -> None:
        if self._info is None:
            self._info = fitting_info(picture, self._video, self._order.like, self._order.size)
            self._link.open(padded_format(self._info))
        self._pts = _ticks(picture.pts, picture.time_base, otherwise=self._pts)
        if picture.is_corrupt:
            self._lose()
        info = FrameInfo(self._pts, TIME_BASE, 0, bool(picture.key_frame), bool(picture.is_corrupt), now)
        frame = self._link.take(info)
        if frame is None:
            self._tally.full += 1
            return
        copy_inside(fitted(picture, self._info, self._video.sample_aspect_ratio), frame)
        self._link.send(frame)

    def _hear(self, packet: "Packet[Any]") -> None:
        """Decode a packet of sound, and pass it on; before the first picture there is nobody to hear it."""
        assert self._audio is not None
        try:
            for frame in self._audio.decode(packet):
                for even in self._resampled(frame):
                    if self._info is not None:
                        pts = _ticks(even.pts, even.time_base, otherwise=0)
                        samples = np.ascontiguousarray(even.to_ndarray()).astype("<i2", copy=False)
                        self._link.send(Sound(pts, samples.tobytes()))
        except (FFmpegError, ValueError):
            self._lose()

    def _resampled(self, frame: AudioFrame) -> "Iterator[AudioFrame]":
        """In the one form of sound that goes on; a source may change its own at any time."""
        if self._resampler is not None:
            try:
                yield from self._resampler.resample(frame)
                return
            except ValueError:
                pass
        self._resampler = AudioResampler(format="s16", layout="stereo", rate=SAMPLE_RATE)
        yield from self._resampler.resample(frame)

    def _lose(self) -> None:
        self._tally.damaged += 1

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._tallied >= _TALLY_EVERY:
            self._tallied = now
            self._link.send(replace(self._tally))


class _Pace:
    """Lets packets pass no sooner than they are due."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._last = 0

    def keep(self, packet: "Packet[Any]") -> None:
        """Wait until it is time for this one. What jumps in time starts anew."""
        now = time.monotonic()
        at = _ticks(packet.dts, packet.time_base, otherwise=self._last)
        if self._first is None or abs(at - self._last) > _JUMP:
            self._first = at, now
        self._last = at
        wait = self._first[1] + (at - self._first[0]) / TICKS - now
        if wait > 0:
            time.sleep(wait)
        elif wait < -1:  # reading was held up: no haste to catch up
            self._first = at, now


def _ticks(pts: int | None, time_base: Fraction | None, *, otherwise: int) -> int:
    return otherwise if pts is None or not time_base else pts * time_base.numerator * TICKS // time_base.denominator
