"""Reading a video: its pictures, each with its own time, and what is to be known of them."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain, pairwise
from typing import Self

import av
from av.codec.hwaccel import HWAccel
from av.video.frame import VideoFrame

from sr4k.errors import InputError
from sr4k.media.decoded_picture import describe, kept
from sr4k.media.fitting import fitted
from sr4k.media.hdr import lost_metadata
from sr4k.media.image_names import is_picture, is_sequence, numbered, numbers
from sr4k.media.look import Picture, Planes
from sr4k.media.options import ReadSettings, TimeSpan
from sr4k.media.reading.changes import Changes
from sr4k.media.reading.dropped_side_data import Unkept
from sr4k.media.reading.losses import Losses
from sr4k.media.reading.video_file import VideoFile
from sr4k.media.reports import DecodeReport, Join, SourceReport
from sr4k.media.rgb import deep_yuv
from sr4k.media.scaling import Scaler
from sr4k.media.side_data import has_profile
from sr4k.media.transparency import over_black
from sr4k.media.video import ratio
from sr4k.pipeline import FrameInfo

log = logging.getLogger(__name__)

_FASTEST = 120
"""Pictures a second: a container whose clock is finer, and who tells that as the rate, knows none."""

_BACK = (0, 10, 60, 600)
"""Seconds by which seeking goes further back, try after try: not every file knows where its key frames are."""


class VideoReader:
    """One video stream of a file, or an image sequence, that is open. To be closed, or used in a ``with``.

    What is wrong with the file or left out of it is told in the log, each thing once.

    Attributes:
        info: the stream as its first picture and its headers describe it.
        first: the first picture.
        on_gpu: whether pictures are NV12 in a GPU's memory.

    Args:
        accelerator: to decode with; ``None``: on the CPU.

    Raises:
        InputError: the file can't be read, or has no such video, or no picture of it can be decoded.
    """

    def __init__(self, settings: ReadSettings, accelerator: HWAccel | None = None) -> None:
        self._settings, self._accelerator = settings, accelerator
        self._losses = Losses(settings.path.name, settings.strict)
        self._said: set[str] = set()
        self._left_out: list[str] = []  # of what the pictures say
        self._scaler = Scaler()
        self._emitted = 0
        self._done: int | None = None  # the pts that an earlier run ended with
        self._last_pts: int | None = None
        self._file = VideoFile(settings, self._losses, self._say, accelerator=accelerator)
        try:
            frame, self._decoded = self._begun()
            file = self._file
            self._average_rate = ratio(file.stream.average_rate)  # a report is asked for in another thread
            self._changes = Changes(file.stream, frame, self._say)
            self._unkept = Unkept(file.stream)
            self._shown = (frame.width, frame.height)
            self.first = self._changes.picture(frame)
            self.on_gpu = frame.sw_format is not None and frame.sw_format.name == "nv12"
            info = kept(describe(self.first, file.stream, self._shown, file.unit), self.first)
            self.info = replace(info, rate=info.rate * file.deinterlacer.most)
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
        self._file.close()

    def resume_after(self, pts: int) -> None:
        """Leave out all pictures up to the one of that pts, and what was lost before it: an earlier run had them.

        To be called before `pictures`, by the stage that resumes a job. Where seeking does not lead to a key frame
        before that picture, or it does not come by again, further back is tried, and at last the beginning: then all is
        decoded again.

        Raises:
            InputError: the file can't be read any more.
        """
        self._done = pts
        self._decoded, comes_by = self._onward(pts)
        if not comes_by:
            self._last_pts = pts
            self._losses.forget()  # they were told when it was done
        self._changes.follow(self._file.stream)

    def pictures(self) -> Iterator[tuple[Picture, FrameInfo]]:
        """All pictures as they were decoded, or deinterlaced, with their times; to be asked for once.

        Raises:
            InputError: the first loss, where the settings say that there must be none.
        """
        self._check_first()
        last: tuple[Picture, FrameInfo] | None = None  # which is told apart when there is no other
        for frame in self._decoded:
            info = self._timed(frame)
            if self._done is not None and info.pts <= self._done:
                self._losses.forget()  # they were told when it was done
                continue
            if last is not None:
                yield self._passed(*last)
            last = self._changes.picture(frame), info
        is_whole = self._settings.part is None
        if last is not None:
            picture, info = last
            yield self._passed(picture, self._held(info) if is_whole else info)
        if is_whole:
            self._count_missing()

    def fit(self, picture: Picture) -> Planes:
        """The picture in planes like the first one's, and of the right size: converted only where it has to be."""
        if picture.look.may_be_transparent and not self._settings.keeps_alpha:
            picture = self._opaque(picture)
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

    @property
    def interlaced(self) -> bool:
        """Whether pictures are to be deinterlaced."""
        return self._settings.deinterlace != "off" and self._file.deinterlacer.expected

    @property
    def is_cut(self) -> bool:
        """Whether pictures go on in part, or more of them than is to be seen, as a GPU's may."""
        context = self._file.stream.codec_context
        return self._shown != (context.width, context.height) or self._file.crop.is_needed

    def report(self) -> DecodeReport:
        """How reading goes; may be asked for in another thread."""
        file = self._file
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
            interlaced=file.deinterlacer.found,
            changes=tuple(self._changes.found),
            joins=tuple(Join(float(at), float(by)) for at, by in file.clock.jumps),
            seconds=float((self._last_pts or 0) * self.info.time_base),
        )
        return DecodeReport(source=source, losses=self._losses.report(), left_out=tuple(self._left_out))

    def _begun(self) -> tuple[VideoFrame, Iterator[VideoFrame]]:
        """The first picture, and all."""
        part = self._settings.part
        decoded = self._file.pictures(whole=True) if part is None else self._of(part)
        first = next(decoded, None)
        if first is None:
            empty = "the stream is empty" if part is None else "it ends before that part"
            reason = "; ".join(self._losses.reasons) or empty
            raise InputError(f"{self._settings.path}: no picture could be decoded ({reason}).")
        return first, chain([first], decoded)

    def _of(self, part: TimeSpan) -> Iterator[VideoFrame]:
        """The pictures of a part: from the key frame before it on they are decoded, and those before it left out."""
        file = self._file
        if not part.start:
            return file.of_part(part, file.pictures(whole=True))
        try:
            decoded = file.pictures_from(file.clock.start + part.start - file.lead - file.ahead)
        except av.error.FFmpegError:  # what can't be sought in is read from its beginning, and seeking has led astray
            file = self._reopened()
            decoded = file.pictures(whole=False)
        return file.of_part(part, decoded)

    def _onward(self, done: int) -> tuple[Iterator[VideoFrame], bool]:
        """The pictures after the one of that pts, or all of them; and whether those that are done come by once more."""
        lead = self._file.lead
        for back in _BACK if self._file.can_be_sought else ():
            file = self._reopened()
            at = done * file.unit - lead
            try:
                decoded = file.pictures_from(at - back)
            except av.error.FFmpegError:
                break
            first = next(decoded, None)
            if first is None or first.pts is None:
                break
            early = first.key_frame and first.pts * file.unit <= at
            if early and _comes_by(done, chain([first], decoded)):
                return decoded, False
        return self._reopened().pictures(whole=False), True

    def _reopened(self) -> VideoFile:
        self._file.close()
        order = self._file.order
        self._file = VideoFile(self._settings, self._losses, self._say, accelerator=self._accelerator, order=order)
        return self._file

    def _check_first(self) -> None:
        """Say what of the pictures, or of a sequence of them, is not taken along."""
        first, look, path = self.first.frame, self.first.look, self._settings.path
        for lost in lost_metadata(first, self._file.stream):
            self._say(lost)
        bits = max((component.bits for component in first.format.components), default=8)
        if bits > 10 and not look.is_colourful:
            self._say(f"pictures of {bits} bits are reduced to 10")
        if has_profile(first):
            self._say("its ICC profile is left out; colours may look different")
        if is_sequence(path):
            found = numbers(path)
            after = next((number for number, next_one in pairwise(found) if next_one > number + 1), None)
            if after is not None:
                left_out = [number for number in found if number > after]
                reason = f"{numbered(path, after + 1).name} is missing, {len(left_out)} pictures after it are left out"
                self._losses.add("missing", reason, (after + 1 - found[0]) / self.info.rate, len(left_out))

    def _timed(self, frame: VideoFrame) -> FrameInfo:
        """The picture's own pts. One without, or one that does not grow, follows its predecessor."""
        pts, duration = frame.pts, frame.duration or 0
        if pts is None or (self._last_pts is not None and pts <= self._last_pts):
            step = 1 if pts is not None else max(1, duration or round(1 / (self.info.rate * self.info.time_base)))
            pts = 0 if self._last_pts is None else self._last_pts + step
            self._losses.retimed += 1
        self._last_pts = pts
        pts -= self._origin
        if frame.is_corrupt:
            self._losses.add("concealed", "damaged pictures", pts * self.info.time_base)
        return FrameInfo(
            pts=pts,
            time_base=self.info.time_base,
            duration=duration,
            born=time.monotonic(),
            lost=self._losses.total,
        )

    def _passed(self, picture: Picture, info: FrameInfo) -> tuple[Picture, FrameInfo]:
        """To whoever wants it."""
        if self._file.clock.jumps:
            self._say("its clock jumps; what comes after that is put behind what was before, sound and pictures alike")
        self._emitted += 1
        for unkept in self._unkept.of(picture.frame):
            self._left_out.append(f"{unkept} can't be taken along")
            self._say(self._left_out[-1])
        return self._changes.noted(picture, info.pts * info.time_base), info

    def _opaque(self, picture: Picture) -> Picture:
        opaque = over_black(picture)
        if opaque is None:
            return picture
        self._say("what is transparent is laid over black")
        return opaque

    def _held(self, last: FrameInfo) -> FrameInfo:
        """The last picture, shown as long as the file says."""
        own = self._file.extent.last_picture(last.pts * last.time_base)
        return replace(last, duration=max(last.duration, round(own / last.time_base)))

    @property
    def _start(self) -> Fraction:
        """Seconds of the output at which it begins."""
        return self._file.clock.start if self._settings.part is None else Fraction(0)

    def _counted_frames(self) -> int | None:
        """Of the whole job, where the header counts them."""
        if is_picture(self._settings.path) and not is_sequence(self._settings.path):
            return 1
        countable = self._settings.part is None and self._file.deinterlacer.most == 1
        return self._file.extent.frames if countable else None

    def _expected_frames(self) -> int | None:
        """Of the whole job: counted, or reckoned from how many a second there are on average."""
        counted, seconds, rate = self._counted_frames(), self._expected_seconds(), self._average_rate
        is_clock = rate is not None and rate > _FASTEST and rate * self._file.tick == 1  # and no rate
        if counted is not None or seconds is None or not rate or is_clock:
            return counted
        return max(1, round(rate * self._file.deinterlacer.most * Fraction(seconds)))

    def _expected_seconds(self) -> float | None:
        """Of the whole job, as far as can be told."""
        part, seconds = self._settings.part, self._file.extent.expected_seconds()
        if part is not None:
            seconds = part.seconds if seconds is None else max(Fraction(0), min(part.seconds, seconds - part.start))
        return None if seconds is None else float(seconds)

    def _count_missing(self) -> None:
        """Compare with what the header promised, if the file's end came early."""
        missing = self._file.extent.missing(self.info.rate / self._file.deinterlacer.most)
        if missing is not None:
            self._losses.add("missing", str(missing), missing.at, missing.frames, missing.until)

    def _say(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            log.warning("%s: %s.", self._settings.path.name, message)


def _comes_by(pts: int, pictures: Iterator[VideoFrame]) -> bool:
    """Whether a picture of that time is among them; it and those before are taken."""
    for picture in pictures:
        if picture.pts is None or picture.pts >= pts:
            return picture.pts == pts
    return False
