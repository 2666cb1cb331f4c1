"""The encoder's options of the command line."""

import re

from sr4k.cli.one_line_errors import say
from sr4k.cli.options import told_by_option
from sr4k.configs import Preset
from sr4k.errors import OptionError
from sr4k.job import Job

_SUFFIXES = {"": 1, "k": 1_000, "M": 1_000_000}


def with_encoder(
    preset: Preset, codec: str | None, crf: int | None, bitrate: str | None, speed: str | None, options: list[str]
) -> Preset:
    """The preset with the encoder's options of the command line. Another codec has quality and speed of its own."""
    if codec is not None and codec != preset.codec:
        cleared = preset.encode.model_copy(update={"crf": None, "preset": None})
        preset = preset.model_copy(update={"encode": cleared})
    pairs = dict(preset.encode.options)
    for option in options:
        key, equals, value = option.partition("=")
        if not (key and equals):
            raise OptionError(f"'-e {option}' is not KEY=VALUE, such as -e tune=film.")
        pairs[key] = value
    bits = None if bitrate is None else _bits(bitrate)
    return preset.updated("encode", codec=codec, crf=crf, bitrate=bits, preset=speed, options=pairs)


def suited(job: Job, crf: int | None, bitrate: str | None, speed: str | None) -> Preset:
    """The job's preset, with a codec that its container takes."""
    codec = job.preset.codec
    if job.target.suffix.lower() != ".webm" or codec.startswith("av1"):
        return job.preset
    av1 = "av1_nvenc" if codec.endswith("_nvenc") else "av1"
    say(f"{job.target.name}: WebM can't hold {codec}, so it is {av1}.", err=True)
    with told_by_option():
        return with_encoder(job.preset, av1, crf, bitrate, speed, [])


def _bits(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kM]?)", text)
    if not match:
        raise OptionError(f"'{text}' is no bit rate: use a number with k or M, such as 20M.")
    return round(float(match[1]) * _SUFFIXES[match[2]])
