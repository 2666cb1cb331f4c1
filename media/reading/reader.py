"""Reads a video: its pictures, each with its own time, their description, and a report of what was lost."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Self

from av.codec.hwaccel import HWAccel
from av.video.frame import VideoFrame

from sr4k.common.side_data import has_profile
from sr4k.media.decoded_picture import describe, with_source_depth
from sr4k.media.fitting import fitted
from sr4k.media.hdr import lost_metadata
from sr4k.media.image_names import is_picture, is_sequence
from sr4k.media.look import DecodedPicture, Planes
from sr4k.media.options import ReadSettings
from sr4k.media.reading.changes import Changes
from sr4k.media.reading.dropped_side_data import DroppedSideData
from sr4k.media.reading.losses import Losses
from sr4k.media.reading.piped_source import PipeReader
from sr4k.media.reading.seeking import SeekableVideo
from sr4k.media.reading.sequence_gap import gap_in
from sr4k.media.reading.video_file import VideoFile
from sr4k.media.reports import DecodeReport, Join, LossReport, SourceReport
from sr4k.media.rgb import deep_yuv, has_no_colour
from sr4k.media.scaling import Scaler
from sr4k.media.transparency import over_black
from sr4k.media.video import ratio
from sr4k.pipeline import FrameInfo

log = logging.getLogger(__name__)

_FASTEST = 120
"""Frames a second; a higher rate that equals the container's clock is that clock, not a frame rate."""


class VideoReader:
    """Reads one video stream of a file, or an image sequence. Close it, or use it in a ``with`` statement.

    Faults of the file, and data that are not kept, are logged once each.

    Attributes:
        info: description of the stream, from its headers and its first picture.
        first: the first picture.
        on_gpu: whether pictures are NV12 or P010 in GPU memory.

    Args:
        settings: what to read.
        accelerator: the hardware decoder; ``None``: decode on the CPU.
        pipe: what is read instead of a file.

    Raises:
        InputError: the file can't be read, it has no such video, or no picture can be decoded.
        StoppedError: the pipe was no longer to be read.
    """

    def __init__(
        self, settings: ReadSettings, accelerator: HWAccel | None = None, pipe: PipeReader | None = None
    ) -> None:
        self._settings = settings
        self._losses = Losses(settings.path.name, settings.strict)
        self._logged: set[str] = set()
        self._left_out: list[str] = []  # descriptions of side data that are not kept
        self._scaler = Scaler()
        self._told: LossReport | None = None  # what to report, if reading has gone beyond it
        self._emitted = 0
        self._interlaced_before = 0  # pictures that an earlier run, or another machine, counts
        self._interlaced_until: int | None = None  # if reading has gone beyond it
        self._done: int | None = None  # the pts that an earlier run ended with
        self._last_pts: int | None = None
        self._video = SeekableVideo(settings, self._losses, self._warn, accelerator, pipe)
        try:
            frame, self._decoded = self._video.pictures()
            file = self._file
            self._average_rate = ratio(file.stream.average_rate)  # read here because other threads call `report`
            self._changes = Changes(file.stream, frame, self._warn)
            self._dropped = DroppedSideData(file.stream)
            self._shown = (frame.width, frame.height)
            self.first = self._changes.picture(frame)
            self.on_gpu = frame.sw_format is not None and frame.sw_format.name in ("nv12", "p010le")
            info = with_source_depth(describe(self.first, file.stream, self._shown, file.unit), self.first)
            self.info = replace(info, rate=info.rate * file.deinterlacer.most, quality=file.quality)
            self._origin = 0  # the pts that is the output's 0
            if settings.part is not None:
                self._origin = frame.pts or 0
                self.info = replace(self.info, origin=self._origin * file.unit)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._video.close()

    def resume_after(self, pts: int) -> None:
        """Skip all pictures up to the one with this pts, and forget losses before it: an earlier run reported them.

        Call it before `pictures`, to resume a job. Where seeking does not lead to a key frame before that picture, or
        the picture is not found, seeking starts further back, and finally all is decoded again from the beginning.

        Args:
            pts: of the last picture that is done, in ticks of the output's time base.

        Raises:
            InputError: the file can't be read any more.
        """
        self._done = pts
        self._decoded, is_all = self._video.pictures_after(pts)
        if not is_all:
            self._last_pts = pts
            self._losses.forget()  # the earlier run has reported them
            self._interlaced_before = self._file.deinterlacer.found
            self.info = replace(self.info, quality=self._file.quality)
        self._changes.follow(self._file.stream)

    def pictures(self, until: int | None = None) -> Iterator[tuple[DecodedPicture, FrameInfo]]:
        """Yield all pictures, decoded and deinterlaced, with their times. Call it only once.

        Args:
            until: pts before which to end, in ticks of the output: what is lost from there on is not reported.

        Raises:
            InputError: a picture was lost, and the settings are strict.
        """
        self._log_conversions()
        self._count_after_gap()
        last: tuple[DecodedPicture, FrameInfo] | None = None  # held back: the last picture's duration is corrected
        is_whole, told, interlaced = self._settings.part is None, None, 0
        for frame in self._decoded:
            info = self._timed(frame)
            if until is not None:
                if info.pts >= until:
                    is_whole, self._told, self._interlaced_until = False, told, interlaced
                    break
                told, interlaced = self._losses.report(), self._file.deinterlacer.found
            if self._done is not None and info.pts <= self._done:
                self._losses.forget()  # the earlier run has reported them
                self._interlaced_before = self._file.deinterlacer.found
                continue
            if last is not None:
                yield self._emit(*last)
            last = self._changes.picture(frame), info
        if last is not None:
            picture, info = last
            yield self._emit(picture, self._with_full_duration(info) if is_whole else info)
        if is_whole:
            self._count_missing()

    def fit(self, picture: DecodedPicture) -> Planes:
        """Return the picture in planes with the stream's size, layout and colour; converted only if needed."""
        if picture.look.may_be_transparent and not self._settings.keeps_alpha:
            picture = self._without_alpha(picture)
        if picture.is_other:
            return fitted(picture, self.info, self._scaler)
        frame, look = picture.frame, picture.look
        layout, target = look.layout, self.info.colour
        source = replace(target, full_range=True) if look.is_colourful else target
        if look.is_colourful and layout.bits > 8:
            frame, source = deep_yuv(frame, target), target
        if layout.is_of(frame.format.name) and (frame.width, frame.height) == self._shown:
            return Planes(frame, layout)
        return Planes(self._scaler(frame, self._shown, layout.name, source, target), layout)

    def tell_reduction(self) -> None:
        """Log that pictures have more bits than `fit` keeps, if so; for those whose results are made of it."""
        bits = max((component.bits for component in self.first.frame.format.components), default=8)
        if bits > 10:
            self._warn(f"frames of {bits} bits are reduced to 10")

    @property
    def interlaced(self) -> bool:
        """Whether pictures are, or may have to be, deinterlaced."""
        return self._settings.deinterlace != "off" and self._file.deinterlacer.expected

    @property
    def is_cut(self) -> bool:
        """Whether decoded pictures are larger than the visible area, so that they are cropped, or must be on a GPU."""
        context = self._file.stream.codec_context
        return self._shown != (context.width, context.height) or self._file.crop.is_needed

    def report(self) -> DecodeReport:
        """Return the progress of reading; may be called in another thread."""
        file, interlaced = self._file, self._interlaced_until
        if interlaced is None:
            interlaced = file.deinterlacer.found
        source = SourceReport(
            width=self._shown[0],
            height=self._shown[1],
            codec=file.stream.codec_context.name,
            rate=float(self.info.rate),
            expected_frames=self._expected_frames(),
            frames_counted=self._counted_frames() is not None,
            expected_seconds=self._expected_seconds(),
            start=float(self._start),
            frames=self._emitted,
            interlaced=interlaced - self._interlaced_before,
            changes=tuple(self._changes.found),
            joins=tuple(Join(float(at), float(by)) for at, by in file.clock.jumps),
            seconds=float((self._last_pts or 0) * self.info.time_base),
        )
        return DecodeReport(source=source, losses=self._told or self._losses.report(), left_out=tuple(self._left_out))

    def _log_conversions(self) -> None:
        """Log what can't be kept of the pictures, judged by the first one."""
        first = self.first.frame
        for lost in lost_metadata(first, self._file.stream):
            self._warn(lost)
        if has_profile(first):
            self._warn("its ICC profile is left out; colours may look different")

    def _count_after_gap(self) -> None:
        """Count the pictures of an image sequence from its first gap on: they are not read.

        Raises:
            InputError: there are some, and the settings are strict.
        """
        gap = gap_in(self._settings.path)
        if gap is not None:
            self._losses.add("missing", gap.reason, gap.before / self.info.rate, gap.lost)

    def _timed(self, frame: VideoFrame) -> FrameInfo:
        """Return the picture's timing. If it has no pts, or one that does not increase, it follows its predecessor."""
        pts, duration = frame.pts, frame.duration or 0
        if pts is None or (self._last_pts is not None and pts <= self._last_pts):
            step = 1 if pts is not None else max(1, duration or round(1 / (self.info.rate * self.info.time_base)))
            pts = 0 if self._last_pts is None else self._last_pts + step
            self._losses.retimed += 1
        self._last_pts = pts
        if frame.is_corrupt:
            self._losses.add("concealed", "damaged pictures", pts * self.info.time_base)
        return FrameInfo(
            pts=pts - self._origin,
            time_base=self.info.time_base,
            duration=duration,
            born=time.monotonic(),
            lost=self._losses.total,
            read=self._file.clock.read,
            quality=self._file.quality,
            gray=has_no_colour(frame.format.name),
        )

    def _emit(self, picture: DecodedPicture, info: FrameInfo) -> tuple[DecodedPicture, FrameInfo]:
        """Count a picture, log what changes with it or is not kept of it, and return it."""
        if self._file.clock.jumps:
            self._warn("its clock jumps; what follows is shifted, audio and video alike, to continue what came before")
        self._emitted += 1
        for dropped in (*self._file.passed_over, *self._dropped.new_in(picture.frame)):
            left_out = f"{dropped} can't be kept"
            if left_out not in self._left_out:
                self._left_out.append(left_out)
                self._warn(left_out)
        return self._changes.noted(picture, info.pts * info.time_base), info

    def _without_alpha(self, picture: DecodedPicture) -> DecodedPicture:
        opaque = over_black(picture)
        if opaque is None:
            return picture
        self._warn("transparency is composited over black")
        return opaque

    def _with_full_duration(self, last: FrameInfo) -> FrameInfo:
        """Return the last picture's timing with the duration that the file announces."""
        own = self._file.extent.last_picture(last.pts * last.time_base)
        return replace(last, duration=max(last.duration, round(own / last.time_base)))

    @property
    def _file(self) -> VideoFile:
        return self._video.file

    @property
    def _start(self) -> Fraction:
        """Time of the output at which the video begins, in seconds."""
        return self._file.clock.start if self._settings.part is None else Fraction(0)

    def _counted_frames(self) -> int | None:
        """Return the number of frames of the whole job; ``None`` if the header does not count them."""
        if is_picture(self._settings.path) and not is_sequence(self._settings.path):
            return self._file.extent.frames or 1
        countable = self._settings.part is None and self._file.deinterlacer.most == 1
        return self._file.extent.frames if countable else None

    def _expected_frames(self) -> int | None:
        """Return the number of frames of the whole job: counted, or estimated from duration and average rate."""
        counted, seconds, rate = self._counted_frames(), self._expected_seconds(), self._average_rate
        is_clock = rate is not None and rate > _FASTEST and rate * self._file.tick == 1
        if counted is not None or seconds is None or not rate or is_clock:
            return counted
        return max(1, round(rate * self._file.deinterlacer.most * Fraction(seconds)))

    def _expected_seconds(self) -> float | None:
        """Return the duration of the whole job in seconds; ``None`` if it is unknown."""
        part, seconds = self._settings.part, self._file.extent.expected_seconds()
        if part is not None:
            seconds = part.seconds if seconds is None else max(Fraction(0), min(part.seconds, seconds - part.start))
        return None if seconds is None else float(seconds)

    def _count_missing(self) -> None:
        """Count the frames that the header announces and that never came.

        Raises:
            InputError: there are some, and the settings are strict.
        """
        missing = self._file.extent.missing(self.info.rate / self._file.deinterlacer.most)
        if missing is not None:
            frames = missing.frames or (0 if self._losses.total else 1)  # what is lost of the last one counts once
            self._losses.add("missing", str(missing), missing.at, frames, missing.until)

    def _warn(self, message: str) -> None:
        if message not in self._logged:
            self._logged.add(message)
            log.warning("%s: %s.", self._settings.path.name, message)
