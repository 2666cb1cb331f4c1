"""What each stage can be told. Plain data, light to import: whoever starts a graph needs no codec and no network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from sr4k.models.architecture import Pixels, Precision

Codec = Literal["h264", "hevc", "av1", "h264_nvenc", "hevc_nvenc", "av1_nvenc"]
CodecChoice = Literal["auto", Codec, "auto_nvenc"]
"""A codec, or what leaves it to `sr4k.stages.codec`, on the CPU or on an NVIDIA GPU."""

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
class DecodeSettings(ReadSettings):
    """What to read, and for which network.

    Attributes:
        pixels: what the network works on. For ``bgr``, pictures with a colour for every pixel stay RGB.
        done_until: the last pts that is done already, in ticks of what comes out; ``done_frames``: how many are.
    """

    pixels: Pixels = "yuv"
    done_until: int | None = None
    done_frames: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessSettings:
    """``pixels``: what the engine works on."""

    pixels: Pixels = "yuv"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertSettings:
    """``rgb``: leave RGB what it is, for pictures. ``size``: of the result; ``None``: as made."""

    rgb: bool = False
    size: Box | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InferSettings:
    """Which engine runs which model; see `sr4k.engines.EngineSpec`.

    Attributes:
        fallbacks: the engines to take, in order, where that one does not start.
        reuse: whether parts of a picture that did not change are taken from the one before (only on YUV planes).
        reuse_threshold: by how many 8-bit levels a part may differ and still count as unchanged; 0 is exact.
        prompt: whether each picture is to be done as soon as can be, rather than many in little time.
    """

    engine: str
    model: str
    weights: Path | None = None
    precision: Precision = "auto"
    threads: int | None = None
    pixels: Pixels = "yuv"
    reuse: bool = True
    reuse_threshold: int = 0
    fallbacks: tuple[str, ...] = ()
    prompt: bool = False


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
        parts: folder with the journal of what is done, and room for more; see `sr4k.stages.journal`.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSettings:
    """What pictures to write.

    Attributes:
        reading: what they are made of, whose transparency they keep.
        path: of the picture, or of the sequence; its suffix chooses the kind.
        options: of the encoder, by libav's names.
        size: of the result; ``None``: twice the source's.
    """

    reading: ReadSettings
    path: Path
    options: Mapping[str, str] = field(default_factory=dict)
    size: Box | None = None
