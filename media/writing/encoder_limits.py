"""Quality and speed limits of the encoders. Light to import: a job is refused before any codec is loaded."""

from collections.abc import Sequence

from sr4k.common.option_names import option
from sr4k.media.options import Codec, CodecChoice, EncoderKind
from sr4k.media.writing.encoder_table import CODECS, ENCODERS, called


def check_quality(choice: CodecChoice, kinds: Sequence[EncoderKind], crf: int | None, preset: str | None) -> None:
    """Refuse a quality or a speed that the encoder doesn't have; where several may be chosen, that none of them has.

    Args:
        choice: The codec, or an automatic choice.
        kinds: What may encode; the first is named in the error.
        crf: Quality; ``None``: the default.
        preset: Name of a speed; ``None``: the default.

    Raises:
        ValueError: The encoder doesn't have it; names those that it has.
    """
    codecs = CODECS if choice == "auto" else (choice,)
    rows = [ENCODERS[kind, codec] for kind in kinds for codec in codecs]
    first, name = rows[0], called(kinds[0], codecs[0])
    if crf is not None and not any(crf in row.crf for row in rows):
        best, worst = first.crf[0], first.crf[-1]
        raise ValueError(f"the {name} encoder takes a crf from {best} (best) to {worst} (smallest), not {crf}")
    if preset is not None and not any(preset in (*row.speeds, *row.others) for row in rows):
        named = option("speed").removeprefix("--")  # in Python a preset is something else
        raise ValueError(f"the {name} encoder takes the {named} {first.told}, not '{preset}'")


def takes_preset(kind: EncoderKind, codec: Codec, preset: str) -> bool:
    """Whether an encoder has a speed of that name."""
    row = ENCODERS[kind, codec]
    return preset in (*row.speeds, *row.others)
