"""Sink of the graph that encodes 4:2:0 blocks straight to a pipe, or to a file where the job could not be resumed."""

from pathlib import Path

import av

from sr4k.media.options import StraightSettings
from sr4k.media.resume.journal import flush_to_disk
from sr4k.media.writing.pipe_writer import PipeWriter
from sr4k.media.writing.result import Result
from sr4k.media.writing.write_errors import writing
from sr4k.pipeline import Format, Frame
from sr4k.stages.video_sink import VideoSink


class EncodeStraight(VideoSink):
    """Write packets as they leave the encoder, and between them those of the source's other streams.

    Nothing is kept but what the encoder holds: where the reader of a pipe is slow, writing waits.
    """

    _settings: StraightSettings

    def __init__(self, settings: StraightSettings) -> None:
        super().__init__(settings)
        self._pipe = None if settings.pipe is None else PipeWriter(settings.pipe)
        self._opened: Result | None = None
        self._read = 0  # packets of the source that had come by the last frame

    def open(self, source: Format) -> None:
        """Open source, target and encoder.

        Raises:
            InputError: The source can't be read.
            OptionError: Encoder or container don't support the video or the settings.
            OutputError: The target can't be written.
        """
        self._settle(source)
        result = self._result = self._opened = Result(self._settings, self._info, self._pixel_format, self._pipe)
        result.open_source()
        result.open()
        with writing(self._place, av.error.FFmpegError):
            result.start()
        self._about = result.report()

    def consume(self, frame: Frame) -> None:
        """Encode a frame.

        Raises:
            OutputError: Writing failed, the reader of the pipe is gone, or MP4 or MOV can't hold the gap before the
                frame.
        """
        picture = self._prepared(frame)
        packets = self._result.stream.encode(picture)
        del picture
        self._read = frame.info.read
        self._took(frame)
        with writing(self._place, av.error.FFmpegError):
            for packet in self._left(packets):
                self._result.write(packet, self._read_limit)

    def finish(self, *, complete: bool) -> None:
        """Write what the encoder holds, and the rest of the other streams.

        Raises:
            InputError: Packets of other streams were lost, and the settings are strict.
            OutputError: Writing failed, or the reader of the pipe is gone.
        """
        limit = None if complete else self._read_limit
        with writing(self._place, av.error.FFmpegError):
            for packet in self._left(self._result.stream.encode(None)):
                self._result.write(packet, limit)
            self._is_whole = complete
            self._result.end(None if complete and self._info.origin is None else self._end, limit)
        if self._pipe is None:
            flush_to_disk(self._settings.path)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    @property
    def _read_limit(self) -> int | None:
        """Number of packets of the source that are sure to have come; ``None``: it is a file."""
        return None if self._settings.copy is None else self._read

    @property
    def _place(self) -> Path:
        """What is written to, for errors."""
        return self._settings.path.parent if self._pipe is None else Path(self._pipe.name)
