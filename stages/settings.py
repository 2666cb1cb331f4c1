"""Settings of the stages: plain data that is light to import, because whoever starts a graph loads no codec."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sr4k.media.options import ReadSettings, ResultSize
from sr4k.models.architecture import Pixels, Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeSettings(ReadSettings):
    """What to read, and for which network.

    Attributes:
        pixels: what the network works on. With ``bgr``, pictures with full-resolution chroma stay RGB.
        done_until: pts of the last frame that earlier runs have done, in ticks of the output; ``None``: no frame.
        done_frames: number of frames that earlier runs have done.
        begin: pts of the first frame to emit, likewise; ``None``: the first that there is after ``done_until``.
        until: pts of the first frame not to emit; ``None``: all to the end.
    """

    pixels: Pixels = "yuv"
    done_until: int | None = None
    done_frames: int = 0
    begin: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessSettings:
    """Settings of `sr4k.stages.preprocess.Preprocess`; ``pixels``: what the engine works on."""

    pixels: Pixels = "yuv"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructSettings:
    """Settings of `sr4k.stages.reconstruct.Reconstruct`.

    Attributes:
        rgb_bits: depth that RGB has at most, for pictures (`sr4k.media.rgb.depth`); ``None``: it is not rounded, and
            becomes 4:2:0.
    """

    rgb_bits: Literal[8, 16] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertSettings:
    """Settings of `sr4k.stages.convert.Convert`.

    Attributes:
        size: size of the result; ``None``: that of the network's output.
        rgb_bits: depth that the result has at most if it is to be packed RGB, as for pictures; ``None``: 4:2:0.
    """

    size: ResultSize = None
    rgb_bits: Literal[8, 16] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InferSettings:
    """Which engine runs which model; see `sr4k.engines.EngineSpec`.

    Attributes:
        fallbacks: engines to try in order if that one does not start.
        reuse: whether to reuse the output of tiles that did not change, or moved as a whole (YUV planes only).
        reuse_threshold: difference in 8-bit levels up to which a tile counts as unchanged; 0 is exact.
        prompt: whether to optimise latency rather than throughput.
        device: of OpenVINO, such as ``gpu``.
        rgb_bits: depth that RGB of the result has at most: the engine rounds it if that is 8; ``None``: it doesn't.
        source_quality: how compressed the source is, 0..51 (`sr4k.models.source_quality`); ``None``: as frames say.
        sharpness: how crisp the result is, 0..100.
        lighter: the model for frames that there is little time for; ``None``: they go through ``model`` too.
        live: whether frames come in real time: none must wait for an engine to start, and what can't work is to be
            known before the first one comes.
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
    device: str = "cpu"
    rgb_bits: Literal[8, 16] | None = None
    source_quality: int | None = None
    sharpness: int = 0
    lighter: str | None = None
    live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanUpSettings:
    """Settings of `sr4k.stages.clean_up.CleanUp`; ``networks``: those that frames go through first, in order."""

    networks: tuple[InferSettings, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondPassSettings:
    """Settings of `sr4k.stages.second_pass.SecondPass`.

    Attributes:
        infer: the network, which is that of the first pass.
        size: size of the result.
    """

    infer: InferSettings
    size: ResultSize


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSettings:
    """Which pictures to write.

    Attributes:
        reading: how to read the source again, for its alpha channel.
        path: of the picture or image sequence; its suffix chooses the format.
        options: options of the encoder, by libav's names.
        size: size of the result.
    """

    reading: ReadSettings
    path: Path
    options: Mapping[str, str] = field(default_factory=dict)
    size: ResultSize = None
