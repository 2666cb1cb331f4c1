"""Sink of the graph that writes pictures to a pipe as they are."""

import logging
from dataclasses import replace
from pathlib import Path

from sr4k.media.options import RawSettings
from sr4k.media.reading.open_file import open_beside, video_stream
from sr4k.media.reading.piped_source import end_copy
from sr4k.media.reports import ENCODE, EncodeReport, VideoReport
from sr4k.media.video import info_of
from sr4k.media.writing.pipe_writer import PipeWriter
from sr4k.media.writing.raw_video import FRAME, Y4M, Grid, left_out, y4m_header
from sr4k.media.writing.write_errors import writing
from sr4k.pipeline import Format, Frame, Sink

log = logging.getLogger(__name__)


class WriteRaw(Sink):
    """Write 4:2:0 blocks from where they lie: libav's muxer would copy each of them twice."""

    name = ENCODE

    def __init__(self, settings: RawSettings) -> None:
        self._settings = settings
        self._pipe = PipeWriter(settings.pipe)
        self._about: VideoReport | None = None  # once open
        self._left_out: list[str] = []
        self._last: Frame | None = None  # the latest picture written
        self._frames = 0
        self._until = 0.0  # seconds
        self._is_whole = False

    def open(self, source: Format) -> None:
        """Look at the source for what can't be kept, and write the header.

        Raises:
            InputError: The source can't be read.
            OutputError: Writing failed, or the reader of the pipe is gone.
        """
        s, info = self._settings, info_of(source)
        self._leave_out(source)
        self._grid = Grid(str(s.source), s.rate or info.rate, is_wanted=s.rate is not None)
        self._about = VideoReport(codec="rawvideo", width=info.width, height=info.height, container=s.format)
        if s.format == Y4M:
            self._write(y4m_header(info, self._grid.rate))

    def consume(self, frame: Frame) -> None:
        """Write a frame, after as many copies of the one before as the frame rate asks for.

        Raises:
            OutputError: The frame rate isn't constant, writing failed, or the reader of the pipe is gone.
        """
        info = frame.info
        self._until = float((info.pts + info.duration) * info.time_base)
        repeats = self._grid.repeats(info)
        if repeats is None:
            frame.release()
            return
        if self._last is not None:
            self._write_frame(self._last, repeats)
            self._last.release()
        self._last = frame
        self._write_frame(frame)

    def finish(self, *, complete: bool) -> None:
        """Show the last picture for as long as the source does, and say what became of the frame rate."""
        self._is_whole = complete
        if self._last is not None:
            self._write_frame(self._last, self._grid.repeats_at_end(self._last.info))
        grid = self._grid
        if grid.repeated or grid.dropped:
            log.warning(
                "%d frames were repeated and %d dropped for %s frames a second.", grid.repeated, grid.dropped, grid.rate
            )
        if grid.dropped:
            self._left_out.append(f"{grid.dropped} frames, for a constant frame rate")

    def close(self) -> None:
        if self._last is not None:
            self._last.release()
            self._last = None

    def report(self) -> EncodeReport | None:
        if self._about is None:
            return None
        return EncodeReport(
            video=replace(self._about, until=self._until),
            frames=self._frames,
            is_whole=self._is_whole,
            left_out=tuple(self._left_out),
        )

    def _leave_out(self, form: Format) -> None:
        """List what raw video can't hold of the source."""
        s = self._settings
        with open_beside(s.source, s.copy) as source:
            video = video_stream(source, s.source, s.track)
            self._left_out.extend(left_out(source, video, info_of(form), s.format))
        if s.copy is not None:
            end_copy(s.copy)
        for lost in self._left_out:
            log.warning("%s; left out.", lost)

    def _write_frame(self, frame: Frame, times: int = 1) -> None:
        for _ in range(times):
            if self._settings.format == Y4M:
                self._write(FRAME)
            self._write(frame.planes[0].data)
            self._frames += 1

    def _write(self, data: "bytes | memoryview") -> None:
        with writing(Path(self._pipe.name)):
            self._pipe.write(data)
