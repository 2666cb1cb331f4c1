"""A video file that is open: its pictures in the order of their times, from its beginning or from a place on."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
from av.codec.context import Flags
from av.codec.hwaccel import HWAccel
from av.packet import Packet
from av.video.frame import VideoFrame

from sr4k.errors import InputError
from sr4k.media.crop import Crop
from sr4k.media.decoded_picture import positive
from sr4k.media.deinterlace import Deinterlacer
from sr4k.media.headers import margins
from sr4k.media.options import ReadSettings, TimeSpan
from sr4k.media.reading.discontinuities import OneClock, from_key_frame
from sr4k.media.reading.display_order import Order
from sr4k.media.reading.duration import Extent
from sr4k.media.reading.losses import REORDERED, Awaited, Losses
from sr4k.media.reading.missing_pts import counted_back
from sr4k.media.reading.open_file import open_input, video_stream
from sr4k.media.reading.untrusted_png import plain_head, plain_packet

_GUESSED = {"mpeg", "mpegvideo"}
"""Containers in which few pictures have a time: those of the others, libav guesses otherwise after seeking."""

_MOST_FAILURES = 8
"""Packets that a GPU's decoder may refuse before its first frame: one that can't start refuses all of them."""


class VideoFile:
    """A video in a file, opened once: its pictures from the beginning, or from a place on, but not both.

    Attributes:
        stream: the video.
        tick: of its packets, in seconds; ``unit``: of its pictures.
        extent: how long it is.
        clock: what its times are told by.
        deinterlacer: what becomes of its fields.
        crop: what is cut off.
        order: in which pictures come out of the decoder; what is known of it holds for the file when opened anew.
        can_be_sought: whether seeking leads to where pictures can be recognised by their times.
    """

    def __init__(
        self,
        settings: ReadSettings,
        losses: Losses,
        say: Callable[[str], None],
        *,
        accelerator: HWAccel | None = None,
        order: Order | None = None,
    ) -> None:
        self._settings, self._losses = settings, losses
        self._container = open_input(settings.path, accelerator, settings.rate)
        self.stream = video_stream(self._container, settings.path, settings.track)
        self.stream.thread_type = "AUTO"
        plain_head(self.stream)
        context = self.stream.codec_context
        self._is_accelerated = accelerator is not None
        if self._is_accelerated:
            context.thread_count = 1  # each thread of FFmpeg's takes a surface of NVDEC, which has 32 at most
        context.flags |= Flags.unaligned  # else what is to be cut off on the left is not
        self.tick = positive(self.stream.time_base, Fraction(1, 90_000))
        self.deinterlacer = Deinterlacer(self.stream, say, settings.deinterlace)
        self.unit = self.tick / self.deinterlacer.ticks
        self.clock = OneClock(self._container, self.stream)
        self.order = order or Order(looks_ahead=context.has_b_frames)
        self.extent = Extent(settings.path, self._container, self.stream, self.clock)
        self.can_be_sought = self._container.format.name not in _GUESSED
        self._interval = 1 / positive(self.stream.guessed_rate, Fraction(25))
        losses.near = 2 * self._interval
        self._awaited = Awaited(self.stream, self.tick, losses)
        self.crop = Crop(margins(self.stream), (context.width, context.height))

    def pictures(self, *, whole: bool) -> Iterator[VideoFrame]:
        """From the beginning. ``whole``: all are wanted, so that those which the start lacks are lost."""
        return self._made(self.clock.packets(), whole=whole, from_beginning=True)

    def pictures_from(self, at: Fraction) -> Iterator[VideoFrame]:
        """From the last key frame on that is shown no later than ``at`` seconds, if seeking leads there.

        Raises:
            av.error.FFmpegError: it can't be sought in.
        """
        if at <= self.clock.start:
            return self.pictures(whole=False)
        self.extent.from_beginning = False
        if self.clock.is_read_through:
            return self._made(from_key_frame(self.clock.packets(), self.stream, at), whole=False)
        self._container.seek(int((at - self.clock.shift) / self.tick), stream=self.stream)
        return self._made(self.clock.packets(), whole=False)

    def of_part(self, part: TimeSpan, pictures: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        """Those of these pictures that belong to the part."""
        start = self.clock.start + part.start
        at = start - self._interval
        for picture in pictures:
            at = at + self._interval if picture.pts is None else picture.pts * self.unit
            if at >= start + part.seconds:
                return
            if at >= start:
                yield picture

    @property
    def lead(self) -> Fraction:
        """Seconds before a picture that it takes to make it: fields need the pictures around them."""
        return 2 * self._interval if self.deinterlacer.expected else Fraction(0)

    @property
    def ahead(self) -> Fraction:
        """Seconds by which pictures may be decoded before they are shown, where their container may not tell."""
        return (REORDERED if self.stream.codec_context.has_b_frames else 0) * self._interval

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _made(
        self, packets: "Iterator[Packet[Any]]", *, whole: bool, from_beginning: bool = False
    ) -> Iterator[VideoFrame]:
        """Of packets. ``whole``: that they are those of the stream from its beginning, and all are wanted."""
        timed = self.order.kept(self._decode(packets, whole=whole))
        timed = counted_back(timed, self._settings) if from_beginning else timed
        return map(self.crop, self.deinterlacer.pictures(timed))

    def _decode(self, packets: "Iterator[Packet[Any]]", *, whole: bool) -> Iterator[VideoFrame]:
        started, failures = not self._is_accelerated, 0
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as err:
                self._losses.add("packets", f"reading broke off: {err.strerror}", self.extent.seen)
                packet = None
            if packet is None:
                yield from self._drain(whole=whole)
                self._awaited.ended()
                return
            self.extent.saw(packet)
            if packet.stream.index != self.stream.index or not packet.size:  # which shows the last picture again
                continue
            self.order.sent(packet)
            self._awaited.sent(packet)
            try:
                for picture in self.stream.decode(plain_packet(packet, self.stream)):
                    started = True
                    self._awaited.shown(picture, whole=whole)
                    yield picture
            except av.error.FFmpegError as err:
                failures += 1
                if not started and failures == _MOST_FAILURES:
                    raise InputError(
                        f"{self._settings.path}: the GPU decodes none of the first {failures} packets ({err.strerror})."
                    ) from err
                self._awaited.failed(packet, f"undecodable packet: {err.strerror}")

    def _drain(self, *, whole: bool) -> Iterator[VideoFrame]:
        """What the decoder still has at the end."""
        with suppress(av.error.FFmpegError):
            for picture in self.stream.decode(None):
                if self.stream.time_base is not None:  # pictures that come of no packet have none
                    picture.time_base = self.stream.time_base
                self._awaited.shown(picture, whole=whole)
                yield picture
