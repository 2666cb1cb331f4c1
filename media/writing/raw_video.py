"""Video as it is, picture by picture, in YUV4MPEG2 or without any header: one stream, at a constant frame rate."""

from collections.abc import Iterator
from fractions import Fraction

from av.container import InputContainer
from av.video.stream import VideoStream

from sr4k.common.option_names import option
from sr4k.errors import OutputError
from sr4k.media.stream_words import describe
from sr4k.media.video import FULL_RANGE, VideoInfo
from sr4k.media.writing import metadata
from sr4k.media.writing.output_file import unsupported
from sr4k.models.colour import ChromaLocation
from sr4k.pipeline import FrameInfo

Y4M = "yuv4mpegpipe"

FRAME = b"FRAME\n"
"""Header of a picture in YUV4MPEG2."""

_SITED: dict[ChromaLocation, str] = {
    "center": "420jpeg XYSCSS=420JPEG",
    "left": "420mpeg2 XYSCSS=420MPEG2",
    "topleft": "420paldv XYSCSS=420PALDV",
}
"""Chroma location of 8-bit 4:2:0 in YUV4MPEG2, as libav writes it."""

_DEEP = "420p10 XYSCSS=420P10"

_ROUNDED = Fraction(1, 1000)
"""Seconds by which rounding to milliseconds, as in Matroska, may change the distance of two pictures."""

_UNSPECIFIED = 2
"""Code point of unspecified colour (ITU-T H.273)."""


def y4m_header(info: VideoInfo, rate: Fraction) -> bytes:
    """Return the header of YUV4MPEG2.

    Args:
        info: The pictures.
        rate: Pictures a second.
    """
    shape = info.sample_aspect_ratio
    sampling = _DEEP if info.colour.bits > 8 else _SITED[info.colour.chroma_location]
    fields = (
        f"W{info.width} H{info.height} F{rate.numerator}:{rate.denominator} Ip",
        "A0:0" if shape is None else f"A{shape.numerator}:{shape.denominator}",
        f"C{sampling} XCOLORRANGE={'FULL' if info.tags.color_range == FULL_RANGE else 'LIMITED'}",
    )
    return f"YUV4MPEG2 {' '.join(fields)}\n".encode()


def left_out(source: InputContainer, video: VideoStream, info: VideoInfo, container: str) -> Iterator[str]:
    """Name what raw video can't hold of a source and of its video.

    Args:
        source: The opened source.
        video: Its upscaled stream.
        info: The result's video.
        container: libav's name of the format.
    """
    for stream in source.streams:
        if stream.index != video.index:
            yield f"{describe(stream)} can't be carried by {container}"
    yield from metadata.without_any(container, {**source.metadata, **video.metadata}, len(source.chapters()))
    yield from unsupported(info, container, "rawvideo")
    tags = info.source_tags
    if tags is not None and {tags.colorspace, tags.color_primaries, tags.color_trc} != {_UNSPECIFIED}:
        yield f"matrix, primaries and transfer characteristics of the colours can't be carried by {container}"
    if container != Y4M:
        yield f"size, frame rate, pixel shape, colour range and chroma location can't be carried by {container}"
    elif info.colour.bits > 8:
        yield f"the chroma location of {info.colour.bits} bits can't be carried by {container}"


class Grid:
    """The times of a constant frame rate, and which pictures are shown at them.

    Attributes:
        rate: Pictures a second.
        repeated, dropped: Pictures that are shown more than once, or not at all.

    Args:
        name: Name of the source in errors.
        rate: Pictures a second.
        is_wanted: Whether pictures may be repeated and dropped to keep to it.
    """

    def __init__(self, name: str, rate: Fraction, *, is_wanted: bool) -> None:
        self._name, self.rate, self._is_wanted = name, rate, is_wanted
        self._begin: Fraction | None = None
        self._at = Fraction(0)  # time of the latest picture, in seconds
        self._last = -1  # number of the latest time that has a picture
        self._lost = 0
        self.repeated = self.dropped = 0

    def repeats(self, info: FrameInfo) -> int | None:
        """Return how often the picture before this one has to be repeated first; ``None``: this one is dropped.

        Raises:
            OutputError: The frame rate isn't constant, and is not to be made so.
        """
        at = info.pts * info.time_base
        begin = self._begin = at if self._begin is None else self._begin
        if self._last >= 0 and not self._is_wanted:
            self._check(info, at)
        self._at, self._lost = at, info.lost
        number = round((at - begin) * self.rate)
        if number <= self._last:
            self.dropped += 1
            return None
        return self._filled(number)

    def repeats_at_end(self, info: FrameInfo) -> int:
        """Return how often the last picture, with this header, has to be repeated so that it is shown long enough."""
        if self._begin is None or not self._is_wanted:
            return 0
        end = (info.pts + info.duration) * info.time_base
        return self._filled(max(self._last + 1, round((end - self._begin) * self.rate)))

    def _filled(self, number: int) -> int:
        """Go on to the picture with this number; return how many are missing before it."""
        missing, self._last = number - self._last - 1, number
        self.repeated += missing
        return missing

    def _check(self, info: FrameInfo, at: Fraction) -> None:
        """Refuse a picture that does not follow at the frame rate; one after a loss may leave a gap."""
        step, due = at - self._at, (self._begin or 0) + (self._last + 1) / self.rate
        is_steady = abs(step - 1 / self.rate) <= _ROUNDED + info.time_base and abs(at - due) * 2 * self.rate < 1
        if not is_steady and info.lost == self._lost:
            raise OutputError(
                f"{self._name} has a variable frame rate, which raw video can't hold: its frame at {float(at):.3f} s "
                f"comes {float(step):.4f} s after the one before, and not {float(1 / self.rate):.4f} s. Add "
                f"{option('rate')} to repeat and drop frames, or use {option('format', 'nut')}."
            )
