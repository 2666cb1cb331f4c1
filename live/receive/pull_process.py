"""One connection to a live source, in a process of its own, started by `sr4k.live.receive.puller`.

It decodes untrusted input, so it is confined, and it may crash: the intake then starts another one.
"""

import os
import socket
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.codec.context import Flags
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.errors import Sr4kError
from sr4k.live.address import Address
from sr4k.live.audio_blocks import CHANNELS, SAMPLE_RATE
from sr4k.live.receive.left_out import left_out
from sr4k.live.receive.link import Ended, PullerEnd
from sr4k.live.receive.open_source import (
    LIVE,
    MOST_ACCEPTED,
    CantOpenError,
    Opening,
    open_source,
    read_timeout,
    too_large,
    why,
)
from sr4k.live.receive.pace import LiveEdge, Pace
from sr4k.live.sandbox import Allowance, enter
from sr4k.live.timeline import TICKS, TIME_BASE
from sr4k.media.audio_mixer import Mixer
from sr4k.media.channel_layouts import is_owned
from sr4k.media.crop import Crop
from sr4k.media.decoded_picture import copy_inside, describe, padded_format
from sr4k.media.deinterlace import Deinterlacer
from sr4k.media.fitting import fitted
from sr4k.media.headers import margins
from sr4k.media.look import DecodedPicture, Look
from sr4k.media.quality_meter import QualityMeter
from sr4k.media.scaling import Scaler
from sr4k.media.upright import Upright
from sr4k.media.video import VideoInfo, ratio
from sr4k.pipeline import FrameInfo
from sr4k.pipeline.channel import Memory

_MOST_RATE = 120
"""Maximum number of pictures per second, averaged over two seconds."""

_UNDECODABLE = 50
"""Consecutive video packets without a picture after which the connection is given up."""

_HELD_BACK = 0.25
"""Seconds of pictures that a frame-threaded decoder may delay: audio must not be earlier by more than that."""

_EARLY = 500
"""Maximum number of audio blocks kept until the first picture: about ten seconds."""

_T = TypeVar("_T", int, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PullOrder:
    """Settings of a puller's process.

    Attributes:
        source: address to read.
        like: description of the frames that pictures are fitted into; ``None``: that of the first picture.
        wire: file descriptor of its end of the link's socket.
        memory: file descriptor of the shared memory for frames.
    """

    source: Address
    like: VideoInfo | None
    wire: int
    memory: int


def main(order: PullOrder) -> None:
    """Read until the source ends or the parent is gone. The exit closes what is open: libav could take long to."""
    av.logging.set_level(None)  # its messages contain the address
    link = PullerEnd(socket.socket(fileno=order.wire), Memory(order.memory))
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent is gone
        link.end(_pull(order, link))


def _pull(order: PullOrder, link: PullerEnd) -> Ended:
    allowance = enter()
    is_own = order.source.kind in ("file", "pattern")
    try:
        if order.source.kind == "pattern":
            from sr4k.live.receive.pattern import Pattern  # imports OpenCV, which other sources don't need

            return Pattern(order.source, link, order.like).run(allowance)
        return _Reader(order, link, allowance, open_source(order.source)).run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except CantOpenError as err:
        return Ended(str(err), final=is_own)
    except Sr4kError as err:
        return Ended(str(err).rstrip("."), final=True)
    except MemoryError as err:
        return Ended(why(err, order.source, opening=False), final=is_own)
    except Exception as err:  # its message may contain the address
        return Ended(f"its reader failed: {type(err).__name__} at {_where(err)}", final=is_own)


class _Reader:
    """Decodes packets to frames and sound until the source ends."""

    def __init__(self, order: PullOrder, link: PullerEnd, allowance: Allowance, opening: Opening) -> None:
        self._order, self._link, self._allowance, self._opening = order, link, allowance, opening
        self._is_live = order.source.kind in LIVE
        self._pace = None if self._is_live else Pace()
        self._picture_pace = Pace() if order.source.kind == "file" else None
        self._early: list[AudioFrame] = []  # sound before a file's first picture
        self._edge = LiveEdge() if self._is_live else None
        self._info: VideoInfo | None = None
        if opening.speakers is not None:
            self._mixer = Mixer(opening.speakers, "stereo", SAMPLE_RATE, form="s16")
        self._recent: deque[float] = deque(maxlen=2 * _MOST_RATE)
        self._pts = self._sound_pts = 0
        self._barren = 0
        video = opening.video
        self._first_size = video.codec_context.width, video.codec_context.height
        self._scaler, self._crop, self._upright = Scaler(), Crop(margins(video), self._first_size), Upright()
        video.codec_context.flags |= Flags.unaligned  # else the left edge is not cropped exactly
        video.thread_type = "SLICE" if self._is_live else "AUTO"  # frame threads add latency
        if not self._is_live:
            held = max(1, round(_HELD_BACK * float(video.average_rate or 1)))
            video.thread_count = min(held, len(os.sched_getaffinity(0)))
        video.codec_context.options = {"max_pixels": str(MOST_ACCEPTED)}
        self._meter, self._quality = QualityMeter(video), 0
        self._deinterlacer = Deinterlacer(video, lambda _words: None, "auto")

    def run(self) -> Ended:
        """Read to the end, and return why it came."""
        packets = self._opening.container.demux(self._opening.wanted)
        keyed, longest = False, read_timeout(self._order.source.kind)
        while True:
            asked = time.monotonic()
            try:
                packet = next(packets, None)
            except (FFmpegError, OSError) as err:
                return Ended(self._refused or why(err, self._order.source, opening=False))
            if packet is None and self._refused is not None:
                return Ended(self._refused)
            if packet is None:
                break
            now = time.monotonic()
            if self._is_live and now - asked >= longest:  # demuxers may return buffered packets after a timeout
                return Ended(f"nothing came for {longest:.0f} s")
            at = _ticks(packet.pts if packet.dts is None else packet.dts, packet.time_base, otherwise=None)
            if self._edge is not None and self._edge.is_reached(at, now):
                self._edge = None
            self._link.tally.bytes += packet.size
            self._wait_until_due(self._pace, at)
            self._link.report()
            if packet.stream is self._opening.audio:
                if self._edge is None:
                    self._decode_audio(packet)
            else:
                keyed = keyed or packet.is_keyframe
                if keyed and (trouble := self._decode_video(packet, time.monotonic())) is not None:
                    return trouble
        for whole in self._deinterlacer.finished():
            self._send_picture(whole, time.monotonic())
        if self._is_live:
            return Ended("the publisher went away")
        return Ended("the stream ended", final=self._order.source.kind == "file")

    @property
    def _refused(self) -> str | None:
        """Reason why HLS can't go on, such as a rejected certificate; ``None``: it can."""
        return None if self._opening.fetcher is None else self._opening.fetcher.refused

    def _wait_until_due(self, pace: Pace | None, at: int | None) -> None:
        if pace is None:
            return
        pace.note(at, time.monotonic())
        while (wait := pace.wait(time.monotonic())) > 0:
            time.sleep(min(wait, 0.2))
            self._link.report()

    def _decode_video(self, packet: "Packet[Any]", now: float) -> Ended | None:
        """Decode a video packet and send its pictures. Return an `Ended` if the connection must end.

        An empty packet with a pts repeats the previous picture, and is ignored.
        """
        if not packet.size and packet.pts is not None:
            return None
        self._barren += packet.size > 0
        self._meter.sent(packet)
        try:
            pictures = self._opening.video.decode(packet)
        except MemoryError:
            raise
        except (FFmpegError, ValueError):
            self._link.tally.damaged += 1
            pictures = []
        if self._barren > _UNDECODABLE:
            return Ended(f"no picture could be decoded from {_UNDECODABLE} packets")
        for picture in pictures:
            self._barren = 0
            self._allowance.renew()
            self._link.tally.pictures += 1
            if picture.width * picture.height > MOST_ACCEPTED:
                return Ended(too_large(picture.width, picture.height))
            self._quality = self._meter.of(picture)
            if self._edge is not None:
                self._link.tally.backlog += 1
                continue
            self._recent.append(now)
            is_flood = len(self._recent) == 2 * _MOST_RATE and now - self._recent[0] < 2
            if is_flood and self._order.source.kind != "file":
                return Ended(f"it sends more than {_MOST_RATE} pictures a second")
            for whole in self._deinterlacer.through(picture):
                self._send_picture(whole, now)
        return None

    def _send_picture(self, whole: VideoFrame, now: float) -> None:
        self._link.tally.interlaced = self._deinterlacer.found
        cut, is_swapped = self._upright(self._crop(whole))
        codec, shape = self._opening.video.codec_context.name, self._pixel_shape(whole)
        shape = 1 / shape if is_swapped and shape else shape
        picture = DecodedPicture(cut, Look.of(cut, codec=codec, sample_aspect_ratio=shape))
        if self._info is None:
            info = fitting_info(picture, self._opening.video, self._order.like)
            self._info = replace(info, quality=self._quality)
            self._link.open(padded_format(self._info), left_out(self._opening))
            for block in self._early:
                self._send_sound(block)
            self._early, now = [], time.monotonic()
        self._pts = _ticks(cut.pts, self._opening.video.time_base, otherwise=self._pts)
        self._link.tally.damaged += cut.is_corrupt
        if self._picture_pace is not None:  # when drained, a decoder returns all delayed pictures at once
            self._wait_until_due(self._picture_pace, self._pts)
            now = time.monotonic()
        frame = self._link.take(FrameInfo(pts=self._pts, time_base=TIME_BASE, born=now, quality=self._quality))
        if frame is not None:
            copy_inside(fitted(picture, self._info, self._scaler), frame.planes, self._info.colour)
            self._link.show(frame)

    def _pixel_shape(self, picture: VideoFrame) -> Fraction | None:
        """Return the sample aspect ratio: the container's for pictures of the container's size, else the codec's."""
        video = self._opening.video
        if (picture.width, picture.height) == self._first_size:
            return ratio(video.sample_aspect_ratio)
        return ratio(video.codec_context.sample_aspect_ratio)

    def _decode_audio(self, packet: "Packet[Any]") -> None:
        """Decode an audio packet and send its sound; before the first picture only that of files is kept."""
        assert self._opening.audio is not None
        try:
            frames = self._opening.audio.decode(packet)
            if sum(is_owned(frame) for frame in frames):  # checks all of them
                raise ValueError
            for frame in frames:
                for even in self._mixer.mixed(frame):
                    if self._info is not None:
                        self._send_sound(even)
                    elif self._picture_pace is not None and len(self._early) < _EARLY:
                        self._early.append(even)
        except (FFmpegError, ValueError):
            self._link.tally.damaged += 1

    def _send_sound(self, frame: AudioFrame) -> None:
        self._sound_pts = _ticks(frame.pts, frame.time_base, otherwise=self._sound_pts)
        samples = frame.to_ndarray().astype(np.int16, copy=False).reshape(-1, CHANNELS)
        self._link.say(self._sound_pts, samples)
        self._sound_pts += len(samples) * TICKS // SAMPLE_RATE


def _where(err: Exception) -> str:
    trace = err.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def _ticks(pts: int | None, time_base: Fraction | None, *, otherwise: _T) -> int | _T:
    return otherwise if pts is None or not time_base else pts * time_base.numerator * TICKS // time_base.denominator


def fitting_info(first: DecodedPicture, stream: VideoStream, like: VideoInfo | None) -> VideoInfo:
    """Return the description of the frames that pictures are fitted into: ``like``, else that of the first picture."""
    if like is not None:
        return like
    info = describe(first, stream, (first.look.width, first.look.height), TIME_BASE)
    return replace(info, display_matrix=None, sample_aspect_ratio=first.look.sample_aspect_ratio)
