"""Divides a video into the stretches that become segments, by reading its packets once without decoding them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest

import av

from sr4k.media.options import ReadSettings
from sr4k.media.reading.losses import Losses
from sr4k.media.reading.video_file import VideoFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The pictures from one cut to the next, in ticks of the output. All stretches together are all pictures.

    Attributes:
        number: from 0, in the order of the video.
        after: pts of the last picture before it, from which reading goes on; ``None``: it begins with the video.
        begin: pts from which pictures belong to it; ``None``: from the beginning of the video.
        until: pts from which they no longer do; ``None``: it reaches to the end of the video.
        first: smallest pts that its packets announce.
        frames: number of pictures that its packets announce; decoding may find others.
        start, end: the same times in seconds, for messages.
    """

    number: int
    after: int | None
    begin: int | None
    until: int | None
    first: int
    frames: int
    start: float
    end: float


def stretches(settings: ReadSettings, seconds: Fraction, done: int | None = None) -> tuple[Stretch, ...]:
    """Return the stretches of a video, cut at multiples of ``seconds``, as `sr4k.stages.encode.Encode` cuts segments.

    Args:
        settings: what to read.
        seconds: length of a stretch.
        done: pts of the last picture that is done already; ``None``: none is.

    Raises:
        InputError: the file can't be read, or it has no such video.
    """
    file = VideoFile(settings, Losses(settings.path.name), lambda _message: None)
    try:
        unit, found, each = file.unit, dict[int, _Found](), file.deinterlacer.most
        for pts in _times(file):
            if done is None or pts > done:
                found.setdefault(math.floor(pts * unit / seconds), _Found(pts, pts)).add(pts, each)
        second_field = (file.deinterlacer.most - 1) * round(1 / (_rate(file) * 2 * unit))
    finally:
        file.close()
    cuts = {interval: math.ceil(interval * seconds / unit) for interval in found}
    return tuple(_between(cuts, found, unit, done, second_field))


@dataclass(slots=True)
class _Found:
    """What the packets of one interval announce."""

    first: int
    last: int
    frames: int = 0

    def add(self, pts: int, frames: int) -> None:
        self.first, self.last, self.frames = min(self.first, pts), max(self.last, pts), self.frames + frames


def _between(
    cuts: dict[int, int], found: dict[int, _Found], unit: Fraction, done: int | None, second_field: int
) -> Iterator[Stretch]:
    """Yield a stretch for each interval that has pictures: from its cut to that of the next one."""
    after, begin = done, None if done is None else done + 1
    intervals = sorted(found)
    for number, (interval, following) in enumerate(zip_longest(intervals, intervals[1:])):
        until = None if following is None else cuts[following]
        there = found[interval]
        end = there.last + second_field
        yield Stretch(
            number=number,
            after=after,
            begin=begin,
            until=until,
            first=there.first,
            frames=there.frames,
            start=float(there.first * unit),
            end=float(end * unit),
        )
        after, begin = end if until is None else min(end, until - 1), until


def _times(file: VideoFile) -> Iterator[int]:
    """Yield the pts of each packet that shows a picture, in output ticks; without one, that of the packet before."""
    pts = 0
    try:
        for packet in file.clock.packets():
            is_shown = packet.size and not packet.is_discard  # what an edit list hides is only decoded
            if packet.stream.index == file.stream.index and is_shown:
                at = packet.dts if packet.pts is None else packet.pts
                pts = pts if at is None else at * file.deinterlacer.ticks
                yield pts
    except av.error.FFmpegError:  # what follows can't be read; decoding reports it
        return


def _rate(file: VideoFile) -> Fraction:
    return file.stream.guessed_rate or Fraction(25)
