"""Sink of the graph that encodes 4:2:0 blocks in segments, and joins them with the source's other streams to a file."""

import gc
import math
import os
import time
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
from av.packet import Packet
from av.video.stream import VideoStream

from sr4k.common.option_names import option
from sr4k.errors import OptionError
from sr4k.media.options import WriteSettings
from sr4k.media.resume.journal import Journal, flush_to_disk
from sr4k.media.resume.segments import SegmentWriter, joined
from sr4k.media.writing.disk_space import check_space
from sr4k.media.writing.encoder import add_video, open_encoder
from sr4k.media.writing.result import Result
from sr4k.media.writing.write_errors import writing
from sr4k.pipeline import Format, Frame, FrameInfo
from sr4k.stages.video_sink import VideoSink


class Encode(VideoSink):
    """Write one video stream, its pts unchanged, and the packets of the source's other streams.

    Encoded video is written to segments first, so that an interrupted job can be resumed. At the end the segments and
    the other streams are muxed into one file.
    """

    _settings: WriteSettings
    _opens_late = False
    """Whether the encoder opens itself when it gets its first picture."""

    def __init__(self, settings: WriteSettings) -> None:
        super().__init__(settings)
        self._journal = Journal(settings.parts)
        self._held: int | None = None  # descriptor of the lock on the journal
        self._opened: Result | None = None
        self._segments: SegmentWriter | None = None
        self._encoding: VideoStream | None = None  # its encoder is that of the current segment
        self._interval = 0  # number of the current interval of `segment_seconds`
        self._work_until = math.inf
        self._is_joining = False
        self._is_cut = False  # whether joining was stopped early

    def open(self, source: Format) -> None:
        """Open source, target and encoder.

        Raises:
            InputError: The source can't be read.
            OptionError: Encoder or container don't support the video or the settings, or not those of the job that is
                to be resumed.
            OutputError: The target can't be written, or the disk has too little space.
        """
        self._settle(source)
        s, info = self._settings, self._info
        result = self._result = self._opened = Result(s, info, self._pixel_format)
        result.open_source()
        self._held = self._journal.hold(0.0)
        self._segments = SegmentWriter(self._journal)
        done = self._journal.segments()
        if done:
            self._end = done[-1].last * info.time_base + 1 / info.rate
        if info.origin is None:  # a preview is short
            check_space(result.source, info, s, s.parts, done=sum(segment.bytes for segment in done))
        result.open()
        if not self._opens_late:
            self._start()
        self._about = result.report()

    def consume(self, frame: Frame) -> None:
        """Encode a frame.

        Raises:
            OutputError: Writing failed, or MP4 or MOV can't hold the gap before the frame.
        """
        picture = self._prepared(frame)
        packets = self._encoder_for(frame.info).encode(picture)
        if self._opens_late and not self._frames:
            self._start()
        del picture
        if self._segments is not None:
            self._segments.lost = frame.info.lost
        self._took(frame)
        self._write(packets)

    def finish(self, *, complete: bool) -> None:
        """Mux the segments and the other streams into the target.

        Raises:
            InputError: Packets of other streams were lost, and the settings are strict.
            OutputError: Writing failed.
        """
        self._end_segment()
        with writing(self._settings.parts, av.error.FFmpegError):
            self._join()
            self._is_whole = complete and self._joined is None
            self._result.end(None if self._is_whole and self._info.origin is None else self._end)
        flush_to_disk(self._settings.path)

    def stop(self) -> None:
        """End the file early if its segments are being joined already. Before that, stopping the source is enough."""
        self._is_cut = self._is_joining

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        if self._segments is not None:
            self._segments.abandon()
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _start(self) -> None:
        """Open the encoder and write the file's header."""
        self._result.start()
        self._check_encoder()

    def _check_encoder(self) -> None:
        """Note the encoder in the journal; refuse to resume with another one, as decoders get one header per stream."""
        context = self._result.stream.codec_context
        about = {"name": context.name, "head": bytes(context.extradata or b"").hex()}
        before = self._journal.encoder()
        if before is None:
            with writing(self._settings.parts, av.error.FFmpegError):
                self._journal.note("encoder", about)
        elif before != about:
            again = option("overwrite", True)
            raise OptionError(
                f"The job can't be resumed: it was begun with another encoder or version; {again} starts again."
            )

    def _encoder_for(self, info: FrameInfo) -> VideoStream:
        """Return the encoder for this frame: a new one where a segment begins.

        A new encoder has no state of earlier frames, so a segment that is encoded again is the same. The old encoder is
        drained, so all of its segment is on the disk.
        """
        interval = info.pts * info.time_base // Fraction(self._settings.segment_seconds)
        if self._encoding is not None and interval == self._interval and time.monotonic() < self._work_until:
            return self._encoding
        if self._encoding is None:
            self._encoding = self._result.stream
        else:
            self._end_segment()
            self._encoding = None
            gc.collect()  # an encoder and its container refer to each other
            self._encoding = self._another_encoder()
        self._interval = interval
        self._work_until = time.monotonic() + (self._settings.work_seconds or math.inf)
        return self._encoding

    def _another_encoder(self) -> VideoStream:
        """Return a stream like the first one, in a container that is never written."""
        unused = av.open(BytesIO(), "w", format=self._result.container)
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
            for packet in self._left(packets):
                self._segments.write(packet)

    def _join(self) -> None:
        """Mux all segments, interleaved with the source's other streams."""
        self._is_joining = True
        end, unit = Fraction(0), self._info.time_base
        for packet in joined(self._journal, unit):
            assert packet.dts is not None and packet.pts is not None
            if self._is_cut and self._result.written:
                self._joined, self._end = self._result.written, packet.dts * unit
                return
            end = max(end, packet.pts * unit + ((packet.duration or 0) * unit or 1 / self._info.rate))
            self._result.write(packet)
        if not self._frames:  # all of it was made before, or by other machines
            self._end = end
