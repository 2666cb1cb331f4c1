"""Sink of the graph that encodes one segment, by an encoder of its own, and no more: another machine joins them."""

from io import BytesIO
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from sr4k.media.options import SegmentSettings
from sr4k.media.reports import EncodeReport, VideoReport
from sr4k.media.resume.journal import Journal
from sr4k.media.resume.segments import SegmentWriter
from sr4k.media.writing.containers import container_of
from sr4k.media.writing.encoder import add_video, open_encoder
from sr4k.media.writing.encoder_threads import pinned
from sr4k.media.writing.write_errors import writing
from sr4k.pipeline import Format, Frame
from sr4k.stages.video_sink import VideoSink


class EncodeSegment(VideoSink):
    """Write one segment into a journal; its packets are those that `sr4k.stages.encode.Encode` writes of its frames."""

    _settings: SegmentSettings

    def __init__(self, settings: SegmentSettings) -> None:
        super().__init__(settings)
        self._journal = Journal(settings.parts)
        self._segments = SegmentWriter(self._journal)
        self._unused: OutputContainer | None = None  # is never written
        self._stream: VideoStream | None = None

    def open(self, source: Format) -> None:
        """Open the encoder, and note it in the journal.

        Raises:
            OptionError: Encoder or container don't support the video or the settings.
            OutputError: The journal can't be written.
        """
        self._settle(source)
        settings = pinned(self._settings, self._settings.cpus, self._info.height)
        self._unused = av.open(BytesIO(), "w", format=self._container)
        self._stream = add_video(self._unused, self._info, settings, self._pixel_format)
        open_encoder(self._stream)
        context = self._stream.codec_context
        with writing(self._settings.parts):
            self._journal.begin({})
            self._journal.note("encoder", {"name": context.name, "head": bytes(context.extradata or b"").hex()})
        self._about = VideoReport(
            codec=context.name, width=self._info.width, height=self._info.height, container=self._container
        )

    def consume(self, frame: Frame) -> None:
        """Encode a frame.

        Raises:
            OutputError: Writing failed, or MP4 or MOV can't hold the gap before the frame.
        """
        self._segments.lost = frame.info.lost
        self._write(self._encoder.encode(self._prepared(frame)))
        self._took(frame)

    def finish(self, *, complete: bool) -> None:
        """Enter the segment into the journal; of one that was stopped nothing is kept."""
        if complete and self._frames:
            self._write(self._encoder.encode(None))
            with writing(self._settings.parts):
                self._segments.finish()

    def close(self) -> None:
        self._segments.abandon()

    def report(self) -> EncodeReport | None:
        return None if self._about is None else EncodeReport(video=self._about, frames=self._frames)

    @property
    def _container(self) -> str:
        return container_of(self._settings.path)

    @property
    def _encoder(self) -> VideoStream:
        assert self._stream is not None
        return self._stream

    def _write(self, packets: "list[Packet[Any]]") -> None:
        with writing(self._settings.parts, av.error.FFmpegError):
            for packet in self._left(packets):
                self._segments.write(packet)
