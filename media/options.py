"""Settings for reading and writing a video. Plain data, light to import."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sr4k.errors import OptionError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Codec = Literal["h264", "hevc", "av1"]
CodecChoice = Literal["auto", Codec]
"""A codec, or ``auto``, which `sr4k.media.writing.codec_choice` resolves."""

EncoderKind = Literal["software", "nvenc", "qsv", "amf", "vaapi"]
"""What encodes: the CPU, or an encoder of NVIDIA's, Intel's or AMD's, or any that Linux reaches by VA-API."""

EncoderChoice = Literal["auto", EncoderKind]
"""A kind of encoder, or ``auto``: software, or NVENC where frames are in an NVIDIA GPU's memory and it opens."""

Deinterlace = Literal["auto", "off", "double"]


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A part of a video: ``seconds`` long, beginning ``start`` seconds after the video's beginning.

    Raises:
        OptionError: it begins before the video, or has no length.
    """

    start: Fraction
    seconds: Fraction

    def __post_init__(self) -> None:
        if self.start < 0 or self.seconds <= 0:
            raise OptionError("A part of a video must begin at 0 s or later, and be longer than 0 s.")


@dataclass(frozen=True, slots=True)
class VideoChoice:
    """Selects one of several videos in a file by its number, counted from 0, or, with ``by_id``, by its stream ID.

    Raises:
        OptionError: the number is negative.
    """

    number: int
    by_id: bool = False

    def __post_init__(self) -> None:
        if self.number < 0:
            raise OptionError(f"There is no video {self.number}: they are counted from 0.")

    def __str__(self) -> str:
        return f"i:{self.number:#x}" if self.by_id else str(self.number)


FIRST_VIDEO = VideoChoice(0)


Fit = Literal["inside", "pad", "stretch"]
"""How a picture of another shape is fitted to a size: ``inside``, the largest result that fits within it; ``pad``, with
black bars; ``stretch``, exactly that size, with a sample aspect ratio that preserves the shape."""


def check_sides(width: int, height: int, named: str, *, least: Literal[1, 4] = 1) -> None:
    """Check a size in pixels, which the error calls ``named``.

    Args:
        width, height: in pixels.
        named: as it was given.
        least: for a side: 1 for pictures, 4 for videos.

    Raises:
        OptionError: a side is not within ``least`` to 16384.
    """
    if any(not least <= side <= 16384 for side in (width, height)):
        raise OptionError(
            f"'{named}' isn't supported: sides go from 4 to 16384 pixels, and those of pictures from 1 pixel on."
        )


def check_video_sides(width: int, height: int) -> None:
    """Check the size of a video, in which 2x2 pixels share a sample of chroma.

    Raises:
        OptionError: a side is odd, or not within 4 to 16384.
    """
    check_sides(width, height, f"{width}x{height}", least=4)
    if width % 2 or height % 2:
        raise OptionError(f"'{width}x{height}' isn't supported: both sides must be even, except of pictures.")


@dataclass(frozen=True, slots=True)
class Box:
    """A size in pixels, both sides from 1 to 16384; for anything but pictures they have to be even, and 4 or more.

    Attributes:
        width, height: as displayed, so they are swapped for a stream that is displayed rotated by 90 degrees.
        fit: how a picture of another shape is fitted to it; see `Fit`.
        turns: whether width and height are swapped for a portrait picture, as for the named sizes.

    Raises:
        OptionError: a side is out of range.
    """

    width: int
    height: int
    fit: Fit = "inside"
    turns: bool = False

    def __post_init__(self) -> None:
        check_sides(self.width, self.height, f"{self.width}x{self.height}")


@dataclass(frozen=True, slots=True)
class Scale:
    """A factor by which a result is wider and higher than its source, whose pixel shape stays.

    Sides are rounded: to the nearest pixel in pictures, and to even numbers in videos.

    Attributes:
        factor: from 1/8 to 16.

    Raises:
        OptionError: the factor is out of range.
    """

    factor: Fraction

    def __post_init__(self) -> None:
        least, most = SCALES
        if not least <= self.factor <= most:
            told = float(min(self.factor, Fraction(10**6)))  # larger ones may not be floats
            raise OptionError(
                f"A scale of {told:g} isn't supported: use a factor from {float(least):g} to {most}, or a size such as "
                "1080p."
            )


SCALES = Fraction(1, 8), Fraction(16)
"""Smallest and largest factor of a `Scale`."""

ResultSize = Box | Scale | None
"""Size of a result; ``None``: twice that of its source."""


@dataclass(frozen=True, slots=True)
class Piped:
    """A source that comes through a pipe: it can be read once, forwards.

    Both ends of a graph need it, so whoever reads it keeps a copy of what the other has yet to read. Both attributes
    stand for file descriptors, in the form in which processes that are being started take them over.

    Attributes:
        source: where it is read.
        copy: file in memory for the copy; see `sr4k.media.reading.piped_source`.
    """

    source: "Connection"
    copy: "Connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSettings:
    """What to read, and how.

    Attributes:
        path: a media file, a picture, or an image sequence such as ``frame-%05d.png``; of a pipe, its name in messages.
        pipe: what is read instead, if it is no file.
        part: the part to read; ``None``: all.
        deinterlace: ``auto``: one picture for each interlaced one; ``double``: two; ``off``: leave them as they are.
        strict: whether the first decode loss is an error.
        track: which of several videos; cover pictures don't count.
        rate: pictures a second of an image sequence; ``None``: 25.
        keeps_alpha: whether transparency is left to the caller instead of being composited over black.
    """

    path: Path
    pipe: Piped | None = None
    part: TimeSpan | None = None
    deinterlace: Deinterlace = "auto"
    strict: bool = False
    track: VideoChoice = FIRST_VIDEO
    rate: Fraction | None = None
    keeps_alpha: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """How to encode.

    Attributes:
        codec: ``auto`` is resolved before an encoder is opened.
        encoder: what encodes; ``auto`` is resolved before an encoder is opened.
        crf: constant quality, ignored if there is a ``bitrate``; ``None``: one that suits the encoder. What it means to
            each encoder: `sr4k.media.writing.encoder_table`.
        bitrate: bits a second; ``None``: constant quality.
        preset: the encoder's own name of a speed; ``None``: a fast one.
        options: further options of the encoder, by libav's names.
    """

    codec: CodecChoice = "h264"
    encoder: EncoderChoice = "software"
    crf: int | None = None
    bitrate: int | None = None
    preset: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSettings(EncoderSettings):
    """What to write beside the video, and where to.

    Attributes:
        source: the file whose other streams are copied; of a pipe, its name in messages.
        copy: what was read of that pipe; see `Piped`. ``None``: the source is a file.
        path: the target; its suffix decides the container.
        strict: whether damage in the other streams is an error.
        track: the video that is upscaled.
    """

    source: Path
    copy: "Connection | None" = None
    path: Path
    strict: bool = False
    track: VideoChoice = FIRST_VIDEO


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteSettings(ResultSettings):
    """How to write in segments.

    Attributes:
        parts: the job's folder, with the journal and the segments; see `sr4k.media.resume.journal`.
        segment_seconds: seconds of video; a new segment begins at each multiple of it.
        work_seconds: maximum time in seconds spent on one segment, give or take a picture; ``None``: no limit, so that
            the packets depend on the pictures alone.
    """

    parts: Path
    segment_seconds: float = 60.0
    work_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSettings(ResultSettings):
    """How to write one segment.

    Attributes:
        parts: folder with a journal, for this segment alone.
        cpus: number of CPUs of the machine as which to encode; see `sr4k.media.writing.encoder_threads`.
    """

    parts: Path
    cpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StraightSettings(ResultSettings):
    """How to write without segments.

    Attributes:
        pipe: descriptor to write to, in which case the path only names the container; ``None``: the file.
    """

    pipe: "Connection | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSettings:
    """How to write pictures as they are to a pipe.

    Attributes:
        source, copy, track: as for `ResultSettings`.
        pipe: descriptor to write to.
        format: libav's name of the format.
        rate: pictures a second, for which pictures are repeated and dropped; ``None``: the source's, which must be
            constant.
    """

    source: Path
    copy: "Connection | None" = None
    pipe: "Connection"
    format: str
    rate: Fraction | None = None
    track: VideoChoice = FIRST_VIDEO
