"""The decode stage: reads a video file into padded Y, U and V planes, each frame with its own pts."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from sr4k.errors import StoppedError
from sr4k.media.decoded_picture import copy_inside, padded_format
from sr4k.media.look import DecodedPicture
from sr4k.media.reading.piped_source import PipeReader
from sr4k.media.reading.reader import VideoReader
from sr4k.media.reports import DECODE, DecodeReport
from sr4k.media.rgb import copy_rgb, is_for_rgb, rgb_format
from sr4k.media.scaling import Scaler
from sr4k.pipeline import Buffers, Format, Frame, FrameInfo, Source
from sr4k.stages.settings import DecodeSettings


class FileSource(Source):
    """What sources that read a file or a pipe by a `VideoReader` share: resuming, stopping, closing and reporting."""

    name = DECODE

    def __init__(self, settings: DecodeSettings) -> None:
        self._settings = settings
        self._reader: VideoReader | None = None
        self._pipe = None if settings.pipe is None else PipeReader(settings.pipe, str(settings.path))

    def _begin(self, reader: VideoReader) -> VideoReader:
        """Read by this reader from now on, after the frames that an earlier run did."""
        self._reader = reader
        if self._settings.done_until is not None:
            reader.resume_after(self._settings.done_until)
        return reader

    def _pictures(self, reader: VideoReader) -> Iterator[tuple[DecodedPicture, FrameInfo]]:
        """Yield the pictures that are wanted; a pipe that is no longer to be read ends them."""
        begin = self._settings.begin
        with suppress(StoppedError):
            for picture, info in reader.pictures(self._settings.until):
                if begin is None or info.pts >= begin:
                    yield picture, info

    def stop(self) -> None:
        if self._pipe is not None:
            self._pipe.stop()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        if self._pipe is not None:
            self._pipe.close()

    def report(self) -> DecodeReport | None:
        if self._reader is None:
            return None
        report = self._reader.report()
        return replace(report, source=replace(report.source, resumed=self._settings.done_frames))


class Decode(FileSource):
    """Decodes one video stream of a file. The margins of the planes are left to `sr4k.stages.preprocess`.

    `open` and `frames` raise `InputError` if the file can't be read.
    """

    def __init__(self, settings: DecodeSettings) -> None:
        super().__init__(settings)
        self._is_rgb = False
        self._scaler = Scaler()

    def open(self) -> Format:
        reader = self._begin(VideoReader(self._settings, pipe=self._pipe))
        self._is_rgb = self._settings.pixels == "bgr" and is_for_rgb(reader.first.look)
        if self._is_rgb:
            return rgb_format(reader.info)
        reader.tell_reduction()
        return padded_format(reader.info)

    def frames(self, buffers: Buffers) -> Iterator[Frame]:
        assert self._reader is not None
        reader = self._reader
        for picture, info in self._pictures(reader):
            out = buffers.take(info)
            if self._is_rgb:
                copy_rgb(picture, out, reader.info, self._scaler)
            else:
                copy_inside(reader.fit(picture), out.planes, reader.info.colour)
            yield out
