"""An open video file: its pictures in display order, from its beginning or from a position in it."""

import errno
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
from av.codec.context import Flags
from av.codec.hwaccel import HWAccel
from av.packet import Packet
from av.video.frame import VideoFrame

from sr4k.common.jpeg_end import jpeg_is_cut_off
from sr4k.errors import InputError
from sr4k.media.crop import Crop
from sr4k.media.decoded_picture import positive
from sr4k.media.deinterlace import Deinterlacer
from sr4k.media.headers import margins
from sr4k.media.options import ReadSettings, TimeSpan
from sr4k.media.quality_meter import QualityMeter
from sr4k.media.reading.discontinuities import OneClock, from_key_frame
from sr4k.media.reading.display_order import Order
from sr4k.media.reading.duration import Extent
from sr4k.media.reading.jpeg import holds_jpeg_files
from sr4k.media.reading.losses import REORDERED, Losses, PendingPackets
from sr4k.media.reading.missing_pts import counted_back, held_back
from sr4k.media.reading.open_file import open_input, open_piped, video_stream
from sr4k.media.reading.piped_source import PipeReader
from sr4k.media.reading.tiff import has_further_pages, holds_tiff_files, pages_of, unreadable_tiff
from sr4k.media.reading.untrusted_png import plain_head, plain_packet

_GUESSED = {"mpeg", "mpegvideo"}
"""Containers in which few pictures have a pts; libav's guesses for the others are different after seeking."""

_MOST_FAILURES = 8
"""Maximum number of packets that a GPU decoder may reject before its first frame: one that can't start rejects all."""


class VideoFile:
    """A video in a file that is opened once: yields its pictures from the beginning or from a position, but not both.

    Attributes:
        stream: the video.
        tick: time base of its packets, in seconds; ``unit``: time base of its pictures.
        extent: its duration.
        clock: the continuous clock of its timestamps.
        deinterlacer: deinterlaces its pictures.
        crop: crops its pictures.
        order: corrects display times; stays valid when the file is opened again.
        can_be_sought: whether pictures have the same pts after seeking.
        passed_over: descriptions of what libav doesn't read of picture files.
        quality: grade of the picture that was decoded last (`sr4k.models.source_quality`).

    Args:
        settings: what to read.
        losses: counts decode losses.
        say: logs a message.
        accelerator: the hardware decoder; ``None``: decode on the CPU.
        order: of an earlier opening of the same file.
        pipe: what is read instead of a file. It can be opened once.

    Raises:
        InputError: the file can't be read, or it has no such video.
    """

    def __init__(
        self,
        settings: ReadSettings,
        losses: Losses,
        say: Callable[[str], None],
        *,
        accelerator: HWAccel | None = None,
        order: Order | None = None,
        pipe: PipeReader | None = None,
    ) -> None:
        self._settings, self._losses, self._pipe = settings, losses, pipe
        self._container = open_piped(pipe) if pipe else open_input(settings.path, accelerator, settings.rate)
        self.stream = video_stream(self._container, settings.path, settings.track)
        self.stream.thread_type = "AUTO"
        plain_head(self.stream)
        context = self.stream.codec_context
        self._is_accelerated = accelerator is not None
        if self._is_accelerated:
            context.thread_count = 1  # each FFmpeg thread takes a surface of NVDEC, which has at most 32
        context.flags |= Flags.unaligned  # otherwise the decoder does not crop the left side
        self._meter = QualityMeter(self.stream)
        self.quality = 0
        self.passed_over: set[str] = set()
        self.tick = positive(self.stream.time_base, Fraction(1, 90_000))
        self.deinterlacer = Deinterlacer(self.stream, say, settings.deinterlace)
        self.unit = self.tick / self.deinterlacer.ticks
        self.clock = OneClock(self._container, self.stream, can_seek=pipe is None)
        self.order = order or Order(looks_ahead=context.has_b_frames)
        self.extent = Extent(settings.path, self._container, self.stream, self.clock, pipe)
        self.can_be_sought = self._container.format.name not in _GUESSED
        self._interval = 1 / positive(self.stream.guessed_rate, Fraction(25))
        losses.near = 2 * self._interval
        self._pending = PendingPackets(self.stream, self.tick, losses)
        self._are_tiff_files = holds_tiff_files(self.stream)
        self._are_jpeg_files = holds_jpeg_files(self._container, self.stream)
        self._cut: set[int | None] = set()  # pts of those of them that are cut off, and still in the decoder
        self.crop = Crop(margins(self.stream), (context.width, context.height))

    def pictures(self, *, whole: bool) -> Iterator[VideoFrame]:
        """Return the pictures from the beginning. ``whole``: whether undecodable ones at the start count as losses."""
        return self._pictures(self.clock.packets(), whole=whole, from_beginning=True)

    def pictures_from(self, at: Fraction) -> Iterator[VideoFrame]:
        """Return the pictures from the last key frame displayed at or before ``at`` seconds, if seeking leads there.

        Raises:
            av.error.FFmpegError: the file is not seekable.
        """
        if at <= self.clock.start:
            return self.pictures(whole=False)
        self.extent.from_beginning = False
        if self.clock.is_read_through:
            return self._pictures(from_key_frame(self.clock.packets(), self.stream, at), whole=False)
        self._container.seek(int((at - self.clock.shift) / self.tick), stream=self.stream)
        return self._pictures(self.clock.packets(), whole=False)

    def of_part(self, part: TimeSpan, pictures: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        """Yield those of the pictures that belong to the part."""
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
        """Seconds of video before a picture that are needed to produce it: bwdif uses the neighbouring pictures."""
        return 2 * self._interval if self.deinterlacer.expected else Fraction(0)

    @property
    def ahead(self) -> Fraction:
        """Maximum seconds by which a picture is decoded before it is displayed, by reordering."""
        return (REORDERED if self.stream.codec_context.has_b_frames else 0) * self._interval

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _pictures(
        self, packets: "Iterator[Packet[Any]]", *, whole: bool, from_beginning: bool = False
    ) -> Iterator[VideoFrame]:
        """Decode packets to pictures with corrected times, deinterlaced and cropped. ``whole``: see `pictures`."""
        timed = self.order.timed(self._decode(packets, whole=whole))
        if from_beginning:
            timed = held_back(timed, self.stream) if self._pipe else counted_back(timed, self._settings)
        return map(self.crop, self.deinterlacer.pictures(timed))

    def _decode(self, packets: "Iterator[Packet[Any]]", *, whole: bool) -> Iterator[VideoFrame]:
        started, failures = not self._is_accelerated, 0
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as err:
                self._losses.add("packets", f"reading failed: {err.strerror}", self.extent.read_until)
                packet = None
            if packet is None:
                yield from self._drain(whole=whole)
                self._pending.ended()
                return
            self.extent.note(packet)
            if packet.stream.index != self.stream.index or not packet.size:  # an empty one repeats the last picture
                continue
            self.order.sent(packet)
            self._pending.sent(packet)
            self._meter.sent(packet)
            if self._are_tiff_files:
                pages = tuple(pages_of(packet))
                if (trouble := unreadable_tiff(pages)) is not None:
                    self._pending.failed(packet, trouble)
                    continue
                if has_further_pages(pages):
                    self.passed_over.add("its pages after the first")
            if self._are_jpeg_files and jpeg_is_cut_off(bytes(packet)):
                self._cut.add(packet.pts)
            try:
                for picture in self.stream.decode(plain_packet(packet, self.stream)):
                    started = True
                    yield self._noted(picture, whole=whole)
            except av.error.FFmpegError as err:
                if err.errno == errno.EAGAIN:  # the system starts no more threads: not the source's fault
                    raise
                failures += 1
                if not started and failures == _MOST_FAILURES:
                    raise InputError(
                        f"{self._settings.path}: the GPU decodes none of the first {failures} packets ({err.strerror})."
                    ) from err
                self._pending.failed(packet, f"undecodable packet: {err.strerror}")

    def _drain(self, *, whole: bool) -> Iterator[VideoFrame]:
        """Yield the pictures that the decoder still holds at the end."""
        with suppress(av.error.FFmpegError):
            for picture in self.stream.decode(None):
                if self.stream.time_base is not None:  # pictures without a packet have no time base
                    picture.time_base = self.stream.time_base
                yield self._noted(picture, whole=whole)

    def _noted(self, picture: VideoFrame, *, whole: bool) -> VideoFrame:
        self.quality = self._meter.of(picture)
        self._pending.shown(picture, whole=whole)
        if picture.pts in self._cut:
            self._cut.discard(picture.pts)
            self._losses.add("concealed", "the picture is cut off", (picture.pts or 0) * self.tick)
        return picture
