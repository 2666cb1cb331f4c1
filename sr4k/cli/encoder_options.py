"""Puts the command line's encoder options into a preset."""

import re

from sr4k.configs import Preset
from sr4k.errors import OptionError

_SUFFIXES = {"": 1, "k": 1_000, "M": 1_000_000}


def with_encoder(
    preset: Preset,
    codec: str | None,
    encoder: str | None,
    crf: int | None,
    bitrate: str | None,
    speed: str | None,
    options: list[str],
) -> Preset:
    """Return the preset with the encoder options that were given.

    A codec or an encoder other than the preset's drops the preset's ``crf`` and ``preset``, whose values belong to its
    own.

    Args:
        speed: value of ``--preset``.
        options: values of ``-e``, as ``KEY=VALUE``.

    Raises:
        OptionError: an option has a value it can't have; names the option.
    """
    is_other = encoder not in (None, preset.encode.encoder, preset.encoders[0])
    if is_other or (codec is not None and codec != preset.codec):
        cleared = preset.encode.model_copy(update={"crf": None, "preset": None})
        preset = preset.model_copy(update={"encode": cleared})
    if (crf is None) != (bitrate is None):  # the one that was given replaces the other in the preset
        kept = preset.encode.model_copy(update={"crf" if crf is None else "bitrate": None})
        preset = preset.model_copy(update={"encode": kept})
    pairs = dict(preset.encode.options)
    for option in options:
        key, equals, value = option.partition("=")
        if not (key and equals):
            raise OptionError(f"'-e {option}' is not of the form KEY=VALUE: write -e tune=film, for example.")
        pairs[key] = value
    bits = None if bitrate is None else _bits(bitrate)
    return preset.updated("encode", codec=codec, encoder=encoder, crf=crf, bitrate=bits, preset=speed, options=pairs)


def _bits(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kM]?)", text)
    if not match:
        raise OptionError(f"'{text}' isn't a bit rate: use bits per second, with k or M if you like, such as 20M.")
    return round(float(match[1]) * _SUFFIXES[match[2]])
