"""The result while it is written: one container for the upscaled video and the source's other streams beside it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from functools import partial
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from sr4k.common.option_names import option
from sr4k.errors import InputError, OutputError
from sr4k.media.options import ResultSettings
from sr4k.media.reading.open_file import open_beside, open_input, open_piped, video_stream
from sr4k.media.reading.piped_source import CopyReader, end_copy
from sr4k.media.reports import VideoReport
from sr4k.media.video import VideoInfo
from sr4k.media.writing.encoder import add_video, open_encoder
from sr4k.media.writing.output_file import copy_video_tags, count_pictures, open_output, unsupported
from sr4k.media.writing.passthrough import Passthrough
from sr4k.media.writing.pipe_writer import PipeWriter
from sr4k.media.writing.write_errors import FULL

log = logging.getLogger(__name__)


class Result:
    """A file or a pipe that the result is written to.

    Attributes:
        source: The source, opened for its other streams.
        container: libav's name of the container; empty before it is open.
        stream: The video.
        rest: Copies the other streams.
        written: Number of pictures written.

    Args:
        settings: What to write.
        info: The result's video.
        pixel_format: As for `sr4k.media.writing.encoder.add_video`.
        pipe: What is written to instead of the file.
    """

    source: InputContainer
    stream: VideoStream
    rest: Passthrough

    def __init__(
        self,
        settings: ResultSettings,
        info: VideoInfo,
        pixel_format: str | None = None,
        pipe: PipeWriter | None = None,
    ) -> None:
        self._settings, self._info, self._pixel_format, self._pipe = settings, info, pixel_format, pipe
        self._opened = ExitStack()  # closes the source and the pass-through
        self._target: OutputContainer | None = None
        self._copy: CopyReader | None = None
        self._has_complaints = False  # whether the muxer reported an error about another stream
        self.container = ""
        self.written = 0

    def open_source(self) -> None:
        """Open the source.

        Raises:
            InputError: It can't be read.
        """
        s = self._settings
        self._copy = None if s.copy is None else CopyReader(s.copy, str(s.source))
        self.source = self._opened.enter_context(open_input(s.source) if self._copy is None else open_piped(self._copy))

    def open(self) -> None:
        """Open the target, and log what it can't hold; call `open_source` before.

        Raises:
            InputError: The source has no such video.
            OptionError: Container or encoder don't support the video or the settings.
            OutputError: The target can't be written.
        """
        s, info = self._settings, self._info
        self._target = open_output(s.path, self.source, info, self._pipe)
        self.container = self._target.format.name
        self.stream = add_video(self._target, info, s, self._pixel_format)
        original = video_stream(self.source, s.source, s.track)
        copy_video_tags(original, self.stream, info, self.container)
        watched = None if self._copy is None else self._copy.watched
        again = self._another_source()
        self.rest = Passthrough(self.source, original, self._target, s.source, info.origin, again, watched)
        self._opened.callback(self.rest.close)
        self._release_copy()
        self.rest.dropped.extend(unsupported(info, self.container, self.stream.codec_context.name))
        for dropped in self.rest.dropped:
            log.warning("%s; left out.", dropped)
        for converted in self.rest.converted:
            log.warning("%s: %s can't hold it as it is.", converted, self.container)

    def start(self) -> None:
        """Open the encoder and write the header.

        Raises:
            OptionError: The encoder rejects its settings.
            OutputError: The container can't hold the streams.
            av.error.FFmpegError, OSError: The disk is full.
        """
        assert self._target is not None
        open_encoder(self.stream)
        try:
            self._target.start_encoding()
        except OutputError:
            raise
        except (av.error.FFmpegError, OSError) as err:
            if err.errno in FULL:
                raise
            raise OutputError(
                f"{self.container} files can't be written with {self._settings.codec} video or the other streams "
                f"({err.strerror}): choose another container or codec."
            ) from err
        for lost in self.rest.check_tags():
            log.warning("%s; left out.", lost)

    def write(self, packet: "Packet[Any]", read: int | None = None) -> None:
        """Write a packet of the video, after the packets of the other streams that come before it.

        Args:
            packet: From the encoder, with a dts.
            read: As for `Passthrough.mux_until`.

        Raises:
            av.error.FFmpegError: Writing failed.
            OutputError: The reader of the pipe is gone.
        """
        assert self._target is not None
        assert packet.dts is not None and packet.time_base
        self.rest.mux_until(packet.dts * Fraction(packet.time_base), read)
        packet.stream = self.stream
        self.written += 1
        with self._losses_of_others():
            self._target.mux_one(packet)

    def end(self, until: Fraction | None, read: int | None = None) -> None:
        """Write what is left of the other streams, and the end of the file.

        Args:
            until: Time in seconds up to which other streams are written; ``None``: all of them.
            read: As for `Passthrough.mux_until`.

        Raises:
            av.error.FFmpegError: Writing failed.
            InputError: Packets of other streams were lost, and the settings are strict.
            OutputError: Pictures are missing, or the reader of the pipe is gone.
        """
        assert self._target is not None
        self.rest.mux_until(until, read)
        self.rest.end()
        with self._losses_of_others():
            self._target.close()
        self._check_rest()
        self._target = None

    def close(self) -> None:
        """Close everything; a file that has not been ended is removed."""
        if self._target is not None:
            with suppress(av.error.FFmpegError, OSError):  # the error to report is the one before
                self._target.close()
            self._target = None
            if self._pipe is None:
                self._settings.path.unlink(missing_ok=True)
        self._opened.close()

    def report(self) -> VideoReport:
        """Describe the video."""
        return VideoReport(
            codec=self.stream.codec_context.name,
            width=self._info.width,
            height=self._info.height,
            container=self.container,
        )

    def _another_source(self) -> Callable[[], InputContainer] | None:
        """Return what opens a source from a pipe another time; ``None``: it is a file."""
        s = self._settings
        return None if s.copy is None else partial(open_beside, s.source, s.copy)

    def _release_copy(self) -> None:
        """Free what is read of the copy from now on, and all of it if nothing more of it is needed."""
        if self._copy is not None:
            self._copy.free()
            if not self.rest.is_needed and self._settings.copy is not None:
                end_copy(self._settings.copy)

    @contextmanager
    def _losses_of_others(self) -> Iterator[None]:
        """Count muxing errors as losses of the other streams if these may have caused them; raise all others."""
        try:
            yield
        except av.error.FFmpegError as err:
            if not self.rest.answers_for(err):
                raise
            self._has_complaints = True

    def _check_rest(self) -> None:
        """Raise if the muxer lost pictures, or if packets of other streams were lost and the settings are strict."""
        s = self._settings
        is_in_doubt = self._has_complaints and self._pipe is None
        if is_in_doubt and (found := count_pictures(s.path)) != self.written:
            raise OutputError(f"{s.path.name}: only {found} of {self.written} pictures were written.")
        if s.strict and self.rest.damage:
            strict = option("strict", True)
            raise InputError(f"{s.source.name} is damaged: {self.rest.damage}. {strict} stops at the first loss.")
