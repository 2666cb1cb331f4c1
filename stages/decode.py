"""Decode: a video file to padded Y, U and V planes, frame by frame, with every frame's own time."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain, pairwise
from typing import Any

from av.codec.hwaccel import HWAccel
from av.video.frame import VideoFrame

from sr4k.errors import InputError
from sr4k.pipeline import Buffers, Format, Frame, FrameInfo, Source
from sr4k.stages.changes import Changes, Look
from sr4k.stages.decoded import copy_inside, describe, is_colourful, kept, layout_of, padded_format
from sr4k.stages.fitting import fitted
from sr4k.stages.hdr import lost_metadata
from sr4k.stages.losses import Losses
from sr4k.stages.reading import Reading
from sr4k.stages.rgb import copy_rgb_inside, deep_yuv, rgb_format
from sr4k.stages.scaling import Scaler
from sr4k.stages.sequence import is_picture, is_sequence, numbered, numbers
from sr4k.stages.settings import DecodeSettings
from sr4k.stages.sidedata import has_profile
from sr4k.stages.transparency import may_be_transparent, over_black
from sr4k.stages.unkept import Unkept
from sr4k.stages.video import ratio

log = logging.getLogger(__name__)

_FASTEST = 120
"""Pictures a second: a container whose clock is finer, and who tells that as the rate, knows none."""


class Decode(Source):
    """One video stream of a file."""

    name = "decode"

    def __init__(self, settings: DecodeSettings, accelerator: HWAccel | None = None) -> None:
        self._settings = settings
        self._losses = Losses(settings.path.name, settings.strict)
        self._reading = Reading(settings, self._losses, self._say, accelerator)
        self._emitted = 0
        self.on_gpu = False  # once open: whether pictures are NV12 in a GPU's memory
        self._last_pts: int | None = None
        self._origin = 0  # the pts that is the output's 0
        self._is_other = False  # the picture that is passed on, than the first
        self._said: set[str] = set()
        self._scaler = Scaler()
        self._left_out: list[str] = []  # of what the pictures say

    def open(self) -> Format:
        reading, part, done = self._reading, self._settings.part, self._settings.done_until
        self._decoded = reading.pictures()
        first = next(self._decoded, None)
        if first is None:
            empty = "the stream is empty" if part is None else "it ends before that part"
            reason = "; ".join(self._losses.reasons) or empty
            raise InputError(f"{self._settings.path}: no picture could be decoded ({reason}).")
        self._decoded = chain([first], self._decoded)
        self.on_gpu = first.sw_format is not None and first.sw_format.name == "nv12"
        self._average_rate = ratio(reading.stream.average_rate)  # a report is asked for in another thread
        self._changes = Changes(reading.stream, first, self._say)
        self._unkept = Unkept(reading.stream)
        self._shown = (first.width, first.height)
        self._info = describe(first, reading.stream, self._shown, reading.unit)
        self._info = kept(self._info, layout_of(first.sw_format or first.format), first)
        self._info = replace(self._info, rate=self._info.rate * reading.deinterlacer.most)
        if part is not None:
            self._origin = first.pts or 0
            self._info = replace(self._info, origin=self._origin * reading.unit)
        if done is not None:
            self._decoded, come_by = reading.onward(done)
            if not come_by:
                self._last_pts = done
                self._losses.forget()  # they were told when it was done
            self._changes.follow(reading.stream)
        self._rgb = self._settings.pixels == "bgr" and is_colourful(first.format)
        self._check_picture(first)
        return rgb_format(self._info) if self._rgb else padded_format(self._info)

    def frames(self, buffers: Buffers) -> Iterator[Frame]:
        for picture, info in self.pictures():
            out = buffers.take(info)
            if self._rgb:
                shape = (self._changes.sample_aspect_ratio() or Fraction(1)) if self._is_other else None
                copy_rgb_inside(picture, out, self._info, shape, self._scaler)
            else:
                copy_inside(self.fit(picture), out.planes, self._info.colour)
            yield out

    @property
    def interlaced(self) -> bool:
        """Once open: whether pictures are to be deinterlaced."""
        return self._settings.deinterlace != "off" and self._reading.deinterlacer.expected

    @property
    def is_cut(self) -> bool:
        """Once open: whether pictures go on in part, or more of them than is to be seen, as a GPU's may."""
        context = self._reading.stream.codec_context
        return self._shown != (context.width, context.height) or self._reading.crop.is_needed

    def pictures(self) -> Iterator[tuple[VideoFrame, FrameInfo]]:
        """All pictures as they were decoded, or deinterlaced, with their times."""
        done = self._settings.done_until
        last: tuple[VideoFrame, FrameInfo, Look] | None = None  # which is told apart when there is no other
        for picture in self._decoded:
            info = self._time(picture)
            if done is not None and info.pts <= done:
                self._losses.forget()  # they were told when it was done
                continue
            if last is not None:
                yield self._passed(*last)
            last = picture, info, self._changes.look(picture)
        is_whole = self._settings.part is None
        if last is not None:
            picture, info, look = last
            yield self._passed(picture, self._held(info) if is_whole else info, look)
        if is_whole:
            self._count_missing()

    def close(self) -> None:
        self._reading.close()

    def report(self) -> dict[str, Any]:
        if not hasattr(self, "_rgb"):  # not open yet
            return {}
        reading = self._reading
        return {
            "width": self._shown[0],
            "height": self._shown[1],
            "codec": reading.stream.codec_context.name,
            "rate": float(self._info.rate),
            "expected_frames": self._expected_frames(),
            "frames_counted": self._counted_frames() is not None,
            "expected_seconds": self._expected_seconds(),
            "start": float(self._start),
            "resumed": self._settings.done_frames,
            "frames": self._emitted,
            "interlaced": reading.deinterlacer.found,
            "changes": self._changes.found,
            "joins": [{"at": float(at), "by": float(by)} for at, by in reading.clock.jumps],
            "seconds": float((self._last_pts or 0) * self._info.time_base),
            "losses": self._losses.as_dict(),
            "left_out": self._left_out,
        }

    def fit(self, picture: VideoFrame) -> VideoFrame:
        """The picture in planes like the first one's, and of the right size: converted only where it has to be."""
        shows_through = not self._settings.keeps_alpha and may_be_transparent(picture.format)
        if shows_through and (opaque := over_black(picture)) is not None:
            self._say("what is transparent is laid over black")
            picture = opaque
        if self._is_other:
            return fitted(picture, self._info, self._changes.sample_aspect_ratio(), self._scaler)
        layout, target = layout_of(picture.format), self._info.colour
        if layout.bits > 8 and is_colourful(picture.format):
            picture = deep_yuv(picture, target)
        if layout.is_of(picture) and (picture.width, picture.height) == self._shown:
            return picture
        source = replace(target, full_range=True) if is_colourful(picture.format) else target
        return self._scaler(picture, self._shown, layout.name, source, target)

    def _check_picture(self, first: VideoFrame) -> None:
        """Say what of the pictures, or of a sequence of them, is not taken along."""
        for lost in lost_metadata(first, self._reading.stream):
            self._say(lost)
        bits = max((component.bits for component in first.format.components), default=8)
        if bits > 10 and not is_colourful(first.format):
            self._say(f"pictures of {bits} bits are reduced to 10")
        if has_profile(first):
            self._say("its ICC profile is left out; colours may look different")
        path = self._settings.path
        if is_sequence(path):
            found = numbers(path)
            after = next((number for number, next_one in pairwise(found) if next_one > number + 1), None)
            if after is not None:
                left_out = [number for number in found if number > after]
                reason = f"{numbered(path, after + 1).name} is missing, {len(left_out)} pictures after it are left out"
                self._losses.add("missing", reason, (after + 1 - found[0]) / self._info.rate, len(left_out))

    def _time(self, picture: VideoFrame) -> FrameInfo:
        """The picture's own pts. One without, or one that does not grow, follows its predecessor."""
        pts, duration = picture.pts, picture.duration or 0
        if pts is None or (self._last_pts is not None and pts <= self._last_pts):
            step = 1 if pts is not None else max(1, duration or round(1 / (self._info.rate * self._info.time_base)))
            pts = 0 if self._last_pts is None else self._last_pts + step
            self._losses.retimed += 1
        self._last_pts = pts
        pts -= self._origin
        if picture.is_corrupt:
            self._losses.add("concealed", "damaged pictures", pts * self._info.time_base)
        return FrameInfo(
            pts=pts,
            time_base=self._info.time_base,
            duration=duration,
            key=bool(picture.key_frame),
            corrupt=bool(picture.is_corrupt),
            born=time.monotonic(),
            lost=self._losses.total,
        )

    def _passed(self, picture: VideoFrame, info: FrameInfo, look: Look) -> tuple[VideoFrame, FrameInfo]:
        """To whoever wants it."""
        if self._reading.clock.jumps:
            self._say("its clock jumps; what comes after that is put behind what was before, sound and pictures alike")
        self._emitted += 1
        for unkept in self._unkept.of(picture):
            self._left_out.append(f"{unkept} can't be taken along")
            self._say(self._left_out[-1])
        self._is_other = self._changes.note(look, info.pts * info.time_base)
        return picture, info

    def _held(self, last: FrameInfo) -> FrameInfo:
        """The last picture, shown as long as the file says."""
        own = self._reading.extent.last_picture(last.pts * last.time_base)
        return replace(last, duration=max(last.duration, round(own / last.time_base)))

    @property
    def _start(self) -> Fraction:
        """Seconds of the output at which it begins."""
        return self._reading.clock.start if self._settings.part is None else Fraction(0)

    def _counted_frames(self) -> int | None:
        """Of the whole job, where the header counts them."""
        if is_picture(self._settings.path) and not is_sequence(self._settings.path):
            return 1
        countable = self._settings.part is None and self._reading.deinterlacer.most == 1
        return self._reading.extent.frames if countable else None

    def _expected_frames(self) -> int | None:
        """Of the whole job: counted, or reckoned from how many a second there are on average."""
        counted, seconds, rate = self._counted_frames(), self._expected_seconds(), self._average_rate
        is_clock = rate is not None and rate > _FASTEST and rate * self._reading.tick == 1  # and no rate
        if counted is not None or seconds is None or not rate or is_clock:
            return counted
        return max(1, round(rate * self._reading.deinterlacer.most * Fraction(seconds)))

    def _expected_seconds(self) -> float | None:
        """Of the whole job, as far as can be told."""
        part, seconds = self._settings.part, self._reading.extent.expected_seconds()
        if part is not None:
            seconds = part.seconds if seconds is None else max(Fraction(0), min(part.seconds, seconds - part.start))
        return None if seconds is None else float(seconds)

    def _count_missing(self) -> None:
        """Compare with what the header promised, if the file's end came early."""
        missing = self._reading.extent.missing(self._info.rate / self._reading.deinterlacer.most)
        if missing is not None:
            self._losses.add("missing", str(missing), missing.at, missing.frames, missing.until)

    def _say(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            log.warning("%s: %s.", self._settings.path.name, message)
