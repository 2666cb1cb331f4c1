"""Sink of the graph that encodes 4:2:0 blocks to a video file and copies the source's other streams into it."""

import gc
import logging
import math
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.common.option_names import option
from sr4k.errors import InputError, OptionError, OutputError
from sr4k.media.options import WriteSettings
from sr4k.media.planes import as_picture
from sr4k.media.reading.open_file import open_input, video_stream
from sr4k.media.reports import ENCODE, EncodeReport, VideoReport
from sr4k.media.resume.journal import Journal, flush_to_disk
from sr4k.media.resume.segments import SegmentWriter, joined
from sr4k.media.video import info_of
from sr4k.media.writing.codec_choice import chosen_codec, settled
from sr4k.media.writing.disk_space import check_space
from sr4k.media.writing.encoder import add_video, open_encoder, tag
from sr4k.media.writing.in_flight import InFlight
from sr4k.media.writing.output_file import check_gap, copy_video_tags, count_pictures, open_output, unsupported
from sr4k.media.writing.passthrough import Passthrough
from sr4k.media.writing.write_errors import writing
from sr4k.pipeline import Format, Frame, FrameInfo, Sink
from sr4k.pipeline.latency import spread

log = logging.getLogger(__name__)


class Encode(Sink):
    """Write one video stream, its pts unchanged, and the packets of the source's other streams.

    Encoded video is written to segments first, so that a broken-off job can be resumed. At the end the segments and
    the other streams are muxed into one file.
    """

    name = ENCODE
    _opens_late = False
    """Whether the encoder is opened by its first picture, and not before."""
    _pixel_format: str | None = None
    """Pixel format of the encoder's input; ``None``: that of the frames."""

    def __init__(self, settings: WriteSettings) -> None:
        self._settings = settings
        self._target: OutputContainer | None = None
        self._about: VideoReport | None = None  # once open
        self._frames = 0
        self._journal = Journal(settings.parts)
        self._held: int | None = None  # descriptor of the lock on the journal
        self._opened = ExitStack()  # closes the source and the pass-through
        self._segments: SegmentWriter | None = None
        self._encoding: VideoStream | None = None  # its encoder is that of the current segment
        self._stretch = 0  # number of the current stretch of `segment_seconds`
        self._work_until = math.inf
        self._is_joining = False
        self._is_cut = False  # whether joining was stopped early
        self._is_whole = False
        self._joined: int | None = None  # pictures in the file, if joining was stopped early
        self._has_complaints = False  # whether the muxer reported an error about another stream
        self._written = 0  # pictures muxed
        self._end = Fraction(0)  # end of the last picture, in seconds
        self._in_flight = InFlight()
        self._last_pts: int | None = None

    def open(self, source: Format) -> None:
        """Open source, target and encoder.

        Raises:
            InputError: The source can't be read.
            OptionError: Encoder or container don't support the video or the settings, or not those of the job that is
                to be resumed.
            OutputError: The target can't be written, or the disk has too little space.
        """
        info = info_of(source)
        s, asked = self._settings, self._settings.codec
        s = self._settings = settled(s, bits=info.colour.bits)
        if s.codec != chosen_codec(asked, s.path):
            bits, other = info.colour.bits, option("codec")
            log.warning("pictures of %d bits are encoded as %s: %s names another.", bits, s.codec, other)
        self._info = info
        self._source = self._opened.enter_context(open_input(s.source))
        self._held = self._journal.hold(0.0)
        self._segments = SegmentWriter(self._journal)
        done = self._journal.segments()
        if done:
            self._end = done[-1].last * info.time_base + 1 / info.rate
        if info.origin is None:  # a preview is short
            check_space(self._source, info, s, s.parts, done=sum(segment.bytes for segment in done))
        self._target = open_output(s.path, self._source, info)
        self._stream = add_video(self._target, info, s, self._pixel_format)
        original = video_stream(self._source, s.source, s.track)
        copy_video_tags(original, self._stream, info, self._target.format.name)
        self._rest = Passthrough(self._source, original, self._target, info.origin)
        self._opened.callback(self._rest.close)
        self._rest.dropped.extend(unsupported(info, self._target.format.name, self._stream.codec_context.name))
        for dropped in self._rest.dropped:
            log.warning("%s; left out.", dropped)
        for converted in self._rest.converted:
            log.warning("%s: %s can't hold it as it is.", converted, self._target.format.name)
        if not self._opens_late:
            self._open_encoder(self._target)
        self._about = VideoReport(
            codec=self._stream.codec_context.name,
            width=info.width,
            height=info.height,
            container=self._target.format.name,
        )

    def consume(self, frame: Frame) -> None:
        """Encode a frame.

        Raises:
            OutputError: Writing failed, or MP4 or MOV can't hold the gap before the frame.
        """
        picture = self._picture(frame)
        picture.pts, picture.time_base = frame.info.pts, frame.info.time_base
        if frame.info.duration:
            picture.duration = frame.info.duration
        tag(picture, self._info.tags)
        self._check_gap(frame.info)
        packets = self._encoder_for(frame.info).encode(picture)
        if self._opens_late and not self._frames:
            assert self._target is not None
            self._open_encoder(self._target)
        del picture
        frame.release()  # our encoders copy their input
        self._frames += 1
        self._in_flight.enter(frame.info)
        shown = frame.info.duration * frame.info.time_base or 1 / self._info.rate
        self._end = frame.info.pts * frame.info.time_base + shown
        if self._segments is not None:
            self._segments.lost = frame.info.lost
        self._write(packets)

    def finish(self, *, complete: bool) -> None:
        """Mux the segments and the other streams into the target.

        Raises:
            InputError: Packets of other streams were lost, with `strict`.
            OutputError: Writing failed.
        """
        assert self._target is not None and self._segments is not None
        self._end_segment()
        with writing(self._settings.parts, av.error.FFmpegError):
            self._join(self._target)
            self._is_whole = complete and self._joined is None
            self._rest.mux_until(None if self._is_whole and self._info.origin is None else self._end)
            self._rest.end()
            with self._blaming_the_rest():
                self._target.close()
            self._check_rest()
        self._target = None
        flush_to_disk(self._settings.path)

    def stop(self) -> None:
        """End the file early if its segments are being joined; before that, the source is what ends."""
        self._is_cut = self._is_joining

    def close(self) -> None:
        if self._target is not None:
            with suppress(av.error.FFmpegError, OSError):  # the error to report is the one before
                self._target.close()
            self._target = None
            self._settings.path.unlink(missing_ok=True)
        if self._segments is not None:
            self._segments.abandon()
        if self._held is not None:
            os.close(self._held)
            self._held = None
        self._opened.close()

    def report(self) -> EncodeReport | None:
        if self._about is None:
            return None
        return EncodeReport(
            video=replace(
                self._about,
                converted=tuple(self._rest.converted),
                until=float(self._end),
                latency=spread(tuple(self._in_flight.latencies)),
            ),
            frames=self._frames,
            joined=self._joined,
            is_whole=self._is_whole,
            copy_damage=self._rest.damage,
            left_out=tuple(self._rest.dropped),
        )

    def _picture(self, frame: Frame) -> VideoFrame:
        return as_picture(frame.planes[0], self._info.pixel_format)

    @contextmanager
    def _blaming_the_rest(self) -> Iterator[None]:
        """Count muxing errors as losses of the other streams where they can be: video comes from our own encoder."""
        try:
            yield
        except av.error.FFmpegError as err:
            if not self._rest.answers_for(err):
                raise
            self._has_complaints = True

    def _check_rest(self) -> None:
        """Raise if the muxer reported errors and pictures are missing, or if `strict` and other streams lost any."""
        if self._has_complaints and (found := count_pictures(self._settings.path)) != self._written:
            raise OutputError(f"{self._settings.path.name}: only {found} of {self._written} pictures were written.")
        if self._settings.strict and self._rest.damage:
            name = self._settings.source.name
            strict = option("strict", True)
            raise InputError(f"{name} is damaged: {self._rest.damage}. {strict} stops at the first loss.")

    def _open_encoder(self, target: OutputContainer) -> None:
        """Open the encoder and write the file's header."""
        open_encoder(self._stream)
        try:
            target.start_encoding()
        except (av.error.FFmpegError, OSError) as err:
            raise OutputError(
                f"{target.format.name} files can't be written with {self._settings.codec} video or the other streams "
                f"({err.strerror}): choose another container or codec."
            ) from err
        for lost in self._rest.check_tags():
            log.warning("%s; left out.", lost)
        self._check_encoder()

    def _check_encoder(self) -> None:
        """Note the encoder in the journal; refuse to resume with another one, as decoders get one header per stream."""
        about = {
            "name": self._stream.codec_context.name,
            "head": bytes(self._stream.codec_context.extradata or b"").hex(),
        }
        before = self._journal.encoder()
        if before is None:
            with writing(self._settings.parts, av.error.FFmpegError):
                self._journal.note("encoder", about)
        elif before != about:
            again = option("overwrite", True)
            raise OptionError(
                f"The job can't be resumed: it was begun with another encoder or version; {again} starts again."
            )

    def _check_gap(self, info: FrameInfo) -> None:
        """Refuse a picture so long after the last one that the container can't hold its time."""
        assert self._about is not None
        gap = max(0 if self._last_pts is None else info.pts - self._last_pts, info.duration)
        self._last_pts = info.pts
        check_gap(self._settings.source, self._about.container, ticks=gap, until=info.pts, time_base=info.time_base)

    def _encoder_for(self, info: FrameInfo) -> VideoStream:
        """Return the encoder for this frame: a new one where a segment begins.

        A new encoder has no state of earlier frames, so a segment that is encoded again is what it was; and the old
        one is drained, so a segment that has ended is on the disk.
        """
        stretch = info.pts * info.time_base // Fraction(self._settings.segment_seconds)
        if self._encoding is not None and stretch == self._stretch and time.monotonic() < self._work_until:
            return self._encoding
        if self._encoding is None:
            self._encoding = self._stream
        else:
            self._end_segment()
            self._encoding = None
            gc.collect()  # an encoder and its container refer to each other
            self._encoding = self._another_encoder()
        self._stretch = stretch
        self._work_until = time.monotonic() + self._settings.work_seconds
        return self._encoding

    def _another_encoder(self) -> VideoStream:
        """Return a stream like the first one, in a container that is never written."""
        assert self._target is not None
        unused = av.open(BytesIO(), "w", format=self._target.format.name)
        stream = add_video(unused, self._info, self._settings, self._pixel_format)
        if not self._opens_late:
            open_encoder(stream)
        return stream

    def _end_segment(self) -> None:
        assert self._segments is not None
        if self._encoding is not None:
            self._write(self._encoding.encode(None))
        with writing(self._settings.parts, av.error.FFmpegError):
            self._segments.finish()

    def _write(self, packets: "list[Packet[Any]]") -> None:
        assert self._segments is not None
        with writing(self._settings.parts, av.error.FFmpegError):
            for packet in packets:
                self._in_flight.leave(packet)
                self._segments.write(packet)

    def _join(self, target: OutputContainer) -> None:
        """Mux all segments, interleaved with the source's other streams."""
        self._is_joining = True
        for packet in joined(self._journal, self._info.time_base):
            assert packet.dts is not None
            if self._is_cut and self._written:
                self._joined, self._end = self._written, packet.dts * self._info.time_base
                return
            self._written += 1
            self._rest.mux_until(packet.dts * self._info.time_base)
            packet.stream = self._stream
            with self._blaming_the_rest():
                target.mux_one(packet)
