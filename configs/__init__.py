"""Presets: YAML files that define the workers of the graph and the settings of the stages."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from sr4k.common.shipped_files import shipped_names
from sr4k.common.yaml_file import Section, load_settings, validated
from sr4k.errors import OptionError
from sr4k.live.address import is_live
from sr4k.live.settings import Segments
from sr4k.media.options import Codec, CodecChoice, EncoderChoice, EncoderKind
from sr4k.media.writing.codec_choice import chosen_codec, possible_encoders
from sr4k.media.writing.encoder_limits import check_quality
from sr4k.models import catalogue
from sr4k.models.architecture import Pixels, Precision
from sr4k.models.source_quality import WORST

StageName = Literal["decode", "preprocess", "infer", "reconstruct", "convert", "encode"]
STAGES: tuple[StageName, ...] = get_args(StageName)


def _no_url(path: object, rule: str) -> object:
    """Return the path unless it is a URL, which the error does not repeat because it may contain a password."""
    if path is not None and is_live(str(path)):
        raise ValueError(f"{rule}, not a URL")
    return path


class GraphPreset(Section):
    """Distribution of the stages over workers.

    Attributes:
        workers: stages of each worker, by worker name, in the order of the flow.
        slots: capacity in frames of the channel between two workers.
        mode: whether workers are processes or threads.
        lanes: number of lanes of the worker with the network. ``auto``: one for each of the ``devices``, or derived
            from the number of CPUs if the network runs on CPUs.
        devices: numbers of the GPUs that the lanes use in turn; empty: the first GPU.
    """

    workers: Mapping[str, tuple[StageName, ...]]
    slots: Annotated[int, Field(ge=4, le=64)] = 4
    mode: Literal["processes", "threads"] = "processes"
    lanes: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = "auto"
    devices: tuple[Annotated[int, Field(ge=0)], ...] = ()

    @property
    def upscaler(self) -> str | None:
        """Name of the worker with the network, if it may have lanes because it neither decodes nor encodes."""
        return next((name for name, stages in self.workers.items() if {"infer"} <= {*stages} <= {*STAGES[1:-1]}), None)

    @property
    def is_one_worker(self) -> bool:
        """Whether one worker holds all stages, so that frames may stay in a GPU's memory from decoder to encoder."""
        return any({*STAGES} <= {*stages} for stages in self.workers.values())

    @field_validator("workers")
    @classmethod
    def _in_order(cls, workers: Mapping[str, tuple[StageName, ...]]) -> Mapping[str, tuple[StageName, ...]]:
        listed = tuple(stage for stages in workers.values() for stage in stages)
        if listed != STAGES or not all(workers.values()):
            raise ValueError(f"together the workers must hold, in this order: {', '.join(STAGES)}")
        return workers

    @model_validator(mode="after")
    def _lanes_of_a_worker(self) -> Self:
        if self.lanes not in ("auto", 1) and self.upscaler is None:
            raise ValueError("lanes need a worker with the network that neither decodes nor encodes")
        if self.devices and (self.upscaler is None or self.mode == "threads"):
            raise ValueError("devices need a process with the network that neither decodes nor encodes")
        return self


class EnginePreset(Section):
    """Settings of the network; see also `sr4k.engines.EngineSpec` and `sr4k.stages.settings.InferSettings`.

    Attributes:
        name: of an engine, or ``auto``; see `sr4k.engines.choose`.
        model: name of a network, or path of one that the user brings; several of them joined by ``+``.
        device: what OpenVINO runs it on: ``cpu``, ``gpu``, ``gpu.1``, ``npu`` or ``auto``. Not to be confused with
            ``devices`` of the graph, which are NVIDIA GPUs.
        threads: number of CPU threads; ``null``: all that are granted.
        source_quality: how compressed the source is (`sr4k.models.source_quality`); ``auto``: as measured.
        sharpness: how crisp the result is, 0 (most faithful) to 100; for luma networks.
        pixels: what the network works on; ``auto``: ``bgr`` for pictures made from pictures, else ``yuv``.
        passes: maximum number of passes through the network; results of more than 2.2 times their source take two.
            ``null``: 2, or 1 for networks of yours.
    """

    name: str = "auto"
    model: str = catalogue.DEFAULT
    weights: Path | None = None
    precision: Precision = "auto"
    device: str = "cpu"
    pixels: Pixels | Literal["auto"] = "auto"
    threads: Annotated[int, Field(ge=1)] | None = None
    reuse: bool = True
    reuse_threshold: Annotated[int, Field(ge=0, le=255)] = 0
    passes: Annotated[int, Field(ge=1, le=2)] | None = None
    source_quality: Annotated[int, Field(ge=0, le=WORST)] | Literal["auto", "clean"] = "auto"
    sharpness: Annotated[int, Field(ge=0, le=catalogue.SHARPEST)] = 0

    @property
    def chain(self) -> tuple[str, ...]:
        """The networks that each picture goes through; those before the last keep its size."""
        return catalogue.chain(self.model)

    @property
    def source_quality_given(self) -> int | None:
        """The quality as a number; ``None``: that of each frame."""
        known = {"auto": None, "clean": 0}
        return known[self.source_quality] if isinstance(self.source_quality, str) else self.source_quality

    @field_validator("device")
    @classmethod
    def _of_openvino(cls, device: str, info: ValidationInfo) -> str:
        if not re.fullmatch(r"auto|cpu|npu|gpu(\.[0-9]{1,2})?", device):
            raise ValueError("must be cpu, gpu, npu or auto, or gpu.1 for the second of several GPUs")
        if device != "cpu" and info.data.get("name", "auto") not in ("auto", "openvino"):
            raise ValueError("must be cpu, because only the engine openvino has others")
        return device

    @field_validator("sharpness")
    @classmethod
    def _of_a_luma_network(cls, sharpness: int, info: ValidationInfo) -> int:
        arch = catalogue.ARCHITECTURES.get(catalogue.chain(info.data.get("model", catalogue.DEFAULT))[-1])
        if sharpness and arch is not None and not catalogue.can_sharpen(arch):
            raise ValueError("must be 0, because only luma networks can be sharpened")
        return sharpness

    @field_validator("weights", mode="before")
    @classmethod
    def _of_this_machine(cls, weights: object) -> object:
        return _no_url(weights, "weights have to be the path of a folder or of a checkpoint")


class EncodePreset(Section):
    """Settings of the encoder; see also `sr4k.media.options.WriteSettings`.

    Attributes:
        codec: ``auto``: h264, hevc for more than 8 bits, or av1 for WebM.
        encoder: ``auto``: software, or NVENC where one worker holds all stages and frames stay on an NVIDIA GPU.
    """

    codec: CodecChoice = "auto"
    encoder: EncoderChoice = "auto"
    crf: Annotated[int, Field(ge=0, le=63)] | None = None
    bitrate: Annotated[int, Field(gt=0)] | None = None
    preset: str | None = None
    options: Mapping[str, str] = {}
    segment_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0
    work_seconds: Annotated[float, Field(ge=1)] | None = None


class LivePreset(Section):
    """Settings for live streams only; see `sr4k.live.settings`."""

    freshness: Annotated[float, Field(gt=0, le=10)] = 0.5
    hold: Annotated[float, Field(gt=0, le=60)] = 0.5
    tries: Annotated[int, Field(ge=1)] | None = None
    key_seconds: Annotated[float, Field(gt=0, le=10)] = 2.0
    slate: Path | None = None
    sound_bitrate: Annotated[int, Field(ge=32_000, le=512_000)] = 160_000
    segments: Segments = "ts"

    @field_validator("slate", mode="before")
    @classmethod
    def _of_this_machine(cls, slate: object) -> object:
        return _no_url(slate, "a slate has to be the path of a picture's file")


class Preset(Section):
    """The contents of a preset file."""

    description: str
    graph: GraphPreset
    engine: EnginePreset = EnginePreset()
    encode: EncodePreset = EncodePreset()
    live: LivePreset = LivePreset()

    @property
    def encoders(self) -> tuple[EncoderKind, ...]:
        """What may encode files, the best first."""
        return possible_encoders(self.encode.encoder, on_gpu=self.graph.is_one_worker)

    @field_validator("encode")
    @classmethod
    def _within_limits(cls, encode: EncodePreset, info: ValidationInfo) -> EncodePreset:
        if "graph" in info.data:  # else it is invalid, which is told first
            kinds = possible_encoders(encode.encoder, on_gpu=info.data["graph"].is_one_worker)
            check_quality(encode.codec, kinds, encode.crf, encode.preset)
        return encode

    @property
    def codec(self) -> Codec:
        """Codec for 8-bit video in a container that can hold any codec."""
        return chosen_codec(self.encode.codec)

    def updated(self, section: Literal["graph", "engine", "encode", "live"], **changes: Any) -> "Preset":
        """Return a copy with some keys of one section changed; ``None`` leaves a key unchanged.

        Raises:
            OptionError: a value is invalid, or there is no such section.
        """
        data = self.model_dump()
        if section not in ("graph", "engine", "encode", "live"):
            raise OptionError(f"Presets have no section '{section}': use graph, engine, encode or live.")
        data[section] |= {key: value for key, value in changes.items() if value is not None}
        return validated(Preset, data, "option")


def preset_names() -> list[str]:
    """Return the names of the presets that ship with the package."""
    return shipped_names(__name__)


def load_preset(name: str | os.PathLike[str]) -> Preset:
    """Load a preset that ships with the package by name, or one of the user's by the path of its YAML file.

    Raises:
        OptionError: there is no such preset, or the file is invalid; the message names the key.
    """
    name = os.fspath(name)
    if is_live(name):
        raise OptionError(f"A preset can't be a URL: use {', '.join(preset_names())}, or the path of a YAML file.")
    return load_settings(Preset, name, package=__name__, noun="preset")
