"""Keywords of jobs that set keys of their preset, as options of the command do."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from sr4k.common.given_path import name_or_path
from sr4k.common.option_names import option
from sr4k.configs import Preset
from sr4k.engines import check_engine
from sr4k.errors import OptionError
from sr4k.jobs.fields import path_text
from sr4k.jobs.model_choice import with_model
from sr4k.jobs.parse import parse_devices
from sr4k.jobs.setting_errors import errors_by_option
from sr4k.live.address import is_live
from sr4k.media.options import CodecChoice, EncoderChoice, Fit
from sr4k.models.architecture import Pixels, Precision

_SUFFIXES = {"": 1, "k": 1_000, "M": 1_000_000}


@dataclass(frozen=True, kw_only=True)
class PresetKeywords:
    """Keywords of a job that set keys of its preset; ``None``: as the preset has it.

    Attributes:
        codec: video codec; ``auto``: the one that suits container and bit depth.
        encoder: what encodes: ``software``, ``nvenc``, ``qsv``, ``amf`` or ``vaapi``; see ``docs/encoders.md``.
        crf: constant rate factor, the lower, the better: 0 to 51 for H.264 and HEVC, 1 to 63 for AV1.
        bitrate: bits per second in place of ``crf``; text such as ``20M`` is accepted.
        speed: the encoder's own name of a speed, such as ``medium``: ``--preset`` of the command.
        options: options of the encoder by their names in FFmpeg, such as ``{"tune": "film"}``: ``-e`` of the command.
        engine: ``openvino``, ``tensorrt``, ``cuda``, ``torch``, or ``auto``: the best that this machine can use.
        device: what OpenVINO runs the network on: ``cpu``, ``gpu``, ``npu`` or ``auto``.
        model: network, such as ``luma-large``, or one of your own, by its name or the path of its ONNX file. Networks
            that keep the size may come before: ``clean+luma``.
        weights: folder or checkpoint with weights of your own for the network.
        precision: number format of the network.
        pixels: what the network works on.
        threads: number of CPU threads of the network.
        lanes: number of processes with the network.
        devices: numbers of the NVIDIA GPUs to use; text such as ``0,1`` is accepted.
        reuse: whether parts of a picture that stay as they are, or move by whole pixels, are computed only once.
        reuse_threshold: levels (0 to 255) by which a part may differ and still count as unchanged.
        passes: maximum number of passes through the network, 1 or 2, for results of more than 2.2 times their source.
        source_quality: how compressed the source is: ``auto``, as measured frame by frame; ``clean``; or 0 to 51,
            the QP at which H.264 would lose as much.
        sharpness: how crisp the result is, 0 (most faithful) to 100.
        workers: whether workers are processes or threads of this one.
        fit: how a picture of another shape is fitted to ``size``: ``inside`` it, with black bars (``pad``), or
            stretched to fill it (``stretch``).
    """

    codec: CodecChoice | None = None
    encoder: EncoderChoice | None = None
    crf: int | None = None
    bitrate: int | str | None = None
    speed: str | None = None
    options: Mapping[str, str] | None = None
    engine: str | None = None
    device: str | None = None
    model: str | os.PathLike[str] | None = None
    weights: str | os.PathLike[str] | None = None
    precision: Precision | None = None
    pixels: Pixels | Literal["auto"] | None = None
    threads: int | None = None
    lanes: int | Literal["auto"] | None = None
    devices: Sequence[int] | str | None = None
    reuse: bool | None = None
    reuse_threshold: int | None = None
    passes: int | None = None
    source_quality: int | Literal["auto", "clean"] | None = None
    sharpness: int | None = None
    workers: Literal["processes", "threads"] | None = None
    fit: Fit | None = None

    def over(self, preset: Preset) -> Preset:
        """Return the preset with the keys that are set.

        Raises:
            OptionError: a keyword has a value that it can't have, or contradicts another; names the keyword;
                or the preset names an engine or a model that does not exist.
        """
        weights, options = weights_given(self.weights), self.options or {}
        if not isinstance(options, Mapping):
            raise OptionError(f"{option('options')} can't be {options!r}: it must be a mapping of names to values.")
        devices = parse_devices(self.devices) if isinstance(self.devices, str) else self.devices or ()
        if not isinstance(devices, Iterable):
            raise OptionError(
                f"{option('devices')} can't be {devices!r}: it must be a list of numbers, such as [0, 1]."
            )
        given = {field.name for field in fields(self) if getattr(self, field.name) is not None}
        with errors_by_option(given):
            preset = preset.updated(
                "engine",
                name=self.engine,
                device=self.device,
                model=name_or_path(self.model),
                weights=weights,
                precision=self.precision,
                pixels=self.pixels,
                threads=self.threads,
                reuse=self.reuse,
                reuse_threshold=self.reuse_threshold,
                passes=self.passes,
                source_quality=self.source_quality,
                sharpness=self.sharpness,
            )
            graph = {"mode": self.workers, "lanes": self.lanes, "devices": tuple(devices) or None}
            preset = preset.updated("graph", **graph)
            preset = with_encoder(preset, self.codec, self.encoder, self.crf, self.bitrate, self.speed, options)
        check_engine(preset.engine.name)
        return with_model(preset)


PRESET_KEYWORDS = {field.name for field in fields(PresetKeywords)}
"""Their names."""


def weights_given(given: str | os.PathLike[str] | None) -> Path | None:
    """Return the absolute path of weights; ``None``: none were given.

    Raises:
        OptionError: it is no path, or there is nothing.
    """
    text = path_text("weights", given)
    if text is None:
        return None
    if is_live(text):  # the error doesn't repeat it: it may contain a password
        raise OptionError(f"{option('weights')} can't be a URL: use the path of a folder or of a checkpoint.")
    weights = Path(text).absolute()
    if not weights.exists():
        raise OptionError(f"{weights} does not exist: {option('weights')} takes a folder or a checkpoint.")
    return weights


def with_encoder(
    preset: Preset,
    codec: str | None,
    encoder: str | None,
    crf: int | None,
    bitrate: int | str | None,
    speed: str | None,
    options: Mapping[str, str],
) -> Preset:
    """Return the preset with the encoder options that were given.

    A codec or an encoder other than the preset's drops the preset's ``crf`` and ``preset``, whose values belong to its
    own.

    Args:
        bitrate: bits per second; or text, with ``k`` or ``M``.
        speed: the encoder's name of a speed.
        options: of the encoder, by their names; added to those of the preset.

    Raises:
        SettingError: an option has a value it can't have.
        OptionError: the text is not a bit rate.
    """
    is_other = encoder not in (None, preset.encode.encoder, preset.encoders[0])
    if is_other or (codec is not None and codec != preset.codec):
        cleared = preset.encode.model_copy(update={"crf": None, "preset": None})
        preset = preset.model_copy(update={"encode": cleared})
    if (crf is None) != (bitrate is None):  # the one that was given replaces the other in the preset
        kept = preset.encode.model_copy(update={"crf" if crf is None else "bitrate": None})
        preset = preset.model_copy(update={"encode": kept})
    bits = _bits(bitrate) if isinstance(bitrate, str) else bitrate
    pairs = {**preset.encode.options, **options}
    return preset.updated("encode", codec=codec, encoder=encoder, crf=crf, bitrate=bits, preset=speed, options=pairs)


def _bits(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kM]?)", text)
    if not match:
        raise OptionError(f"'{text}' isn't a bit rate: use bits per second, with k or M if you like, such as 20M.")
    return round(float(match[1]) * _SUFFIXES[match[2]])
