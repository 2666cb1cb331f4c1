"""What reading and writing a video can be told. Plain data, light to import."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

Codec = Literal["h264", "hevc", "av1", "h264_nvenc", "hevc_nvenc", "av1_nvenc"]
CodecChoice = Literal["auto", Codec, "auto_nvenc"]
"""A codec, or what leaves it to `sr4k.media.writing.codec_choice`, on the CPU or on an NVIDIA GPU."""

Deinterlace = Literal["auto", "off", "double"]


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A part of a video: ``seconds`` long, from ``start`` seconds after its beginning on."""

    start: Fraction
    seconds: Fraction


@dataclass(frozen=True, slots=True)
class VideoChoice:
    """Which of several videos in a file: by its number among them, from 0, or by the id that the container gives it."""

    number: int
    by_id: bool = False

    def __str__(self) -> str:
        return f"i:{self.number:#x}" if self.by_id else str(self.number)


FIRST_VIDEO = VideoChoice(0)


Fit = Literal["inside", "pad", "stretch"]
"""What becomes of a picture of another shape: the result is as large as goes inside; or has black bars; or has exactly
that size, and a sample aspect ratio that makes up for it."""


@dataclass(frozen=True, slots=True)
class Box:
    """A size in pixels, both sides even.

    Attributes:
        width, height: as shown, so that they are the other way round for a stream that is shown turned by 90 degrees.
        turns: whether it lies down or stands up as the picture does, as the names of sizes do.
    """

    width: int
    height: int
    fit: Fit = "inside"
    turns: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSettings:
    """What to read.

    Attributes:
        path: of a media file, a picture, or an image sequence such as ``frame-%05d.png``.
        part: no more than this.
        deinterlace: what becomes of interlaced pictures: ``auto``, one of each; ``double``, two; ``off``, nothing.
        strict: whether the first loss is an error.
        track: which video of several; cover pictures are none.
        rate: pictures a second, of an image sequence; ``None``: 25.
        keeps_alpha: whether what is transparent is somebody else's affair, and not laid over black.
    """

    path: Path
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
        codec: h264, hevc and av1 are libx264, libx265 and libsvtav1. What is left open is settled before the encoder.
        crf: constant quality (``cq`` for NVENC), ignored if there is a ``bitrate``; ``None``: one that suits the codec.
        bitrate: bits a second.
        preset: the encoder's own name of a speed; ``None``: a fast one.
        options: further options of the encoder, by libav's names.
    """

    codec: CodecChoice = "h264"
    crf: int | None = None
    bitrate: int | None = None
    preset: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeSettings(EncoderSettings):
    """What to write.

    Attributes:
        source: the file whose other streams are copied.
        path: where to write; its suffix chooses the container.
        parts: folder with the journal of what is done, and room for more; see `sr4k.media.resume.journal`.
        segment_seconds: of video: where each multiple of it begins, a segment does.
        work_seconds: for which a segment is worked on at most, give or take a picture.
        strict: whether damage of the other streams is an error.
        track: the video that is upscaled.
    """

    source: Path
    path: Path
    parts: Path
    segment_seconds: float = 60.0
    work_seconds: float = 120.0
    strict: bool = False
    track: VideoChoice = FIRST_VIDEO
