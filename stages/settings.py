"""What each stage can be told. Plain data, light to import: whoever starts a graph needs no codec and no network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sr4k.media.options import Box, ReadSettings
from sr4k.models.architecture import Pixels, Precision


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
