"""The encoder's options of the command line."""

import re

from sr4k.configs import Preset
from sr4k.errors import OptionError

_SUFFIXES = {"": 1, "k": 1_000, "M": 1_000_000}


def with_encoder(
    preset: Preset, codec: str | None, crf: int | None, bitrate: str | None, speed: str | None, options: list[str]
) -> Preset:
    """The preset with the encoder's options of the command line. Another codec has quality and speed of its own."""
    if codec is not None and codec != preset.codec:
        cleared = preset.encode.model_copy(update={"crf": None, "preset": None})
        preset = preset.model_copy(update={"encode": cleared})
    if (crf is None) != (bitrate is None):  # one takes the place of the other
        kept = preset.encode.model_copy(update={"crf" if crf is None else "bitrate": None})
        preset = preset.model_copy(update={"encode": kept})
    pairs = dict(preset.encode.options)
    for option in options:
        key, equals, value = option.partition("=")
        if not (key and equals):
            raise OptionError(f"'-e {option}' is not KEY=VALUE, such as -e tune=film.")
        pairs[key] = value
    bits = None if bitrate is None else _bits(bitrate)
    return preset.updated("encode", codec=codec, crf=crf, bitrate=bits, preset=speed, options=pairs)


def _bits(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kM]?)", text)
    if not match:
        raise OptionError(f"'{text}' is no bit rate: use a number with k or M, such as 20M.")
    return round(float(match[1]) * _SUFFIXES[match[2]])
