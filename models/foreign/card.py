"""Model cards of foreign networks: what was found by running them, as a TOML file. Light to import."""

import json
from dataclasses import dataclass, fields
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from sr4k.errors import OptionError
from sr4k.models.architecture import Figures

Layout = Literal["NCHW", "NHWC"]
"""Order of the axes of a network's input and output: batch, channels, rows and columns."""

_FORM = 1
"""Version of the cards: raised when a change to this package makes older ones wrong."""

_MOST = 1e12
"""What no number on a card reaches."""

_LEAST_ALIKE, _MOST_SHIFT = 0.85, 0.1
"""Correlation, and change of the mean level, beyond which a network is doubtful: styles go as far, and so do errors."""

_WORDS = {
    "scale": "factor from input to output size",
    "channels": "of input and output: 3 for RGB, 1 for luma",
    "peak": "value of white: 1 or 255",
    "layout": "order of the axes",
    "multiple": "rows and columns of the input are multiples of this",
    "reach": "input pixels that an output pixel depends on, in each direction; left out: the whole picture",
    "fixed": "rows and columns of the input, where it takes no other size",
    "deterministic": "whether the same picture gave the same result twice",
    "parameters": "number of weights",
    "macs_per_pixel": "multiply-accumulates for a pixel of the input",
    "bytes_per_pixel": "memory for a pixel of the input",
    "precision": "of its layers, except the first and last",
    "loss": "PSNR that int8 costs, in dB",
    "correlation": "of what it makes of a picture, made smaller again, with the picture",
    "shift": "by which it changes the mean level, white being 1",
    "architecture": "as the converter names it",
    "sha256": "of the ONNX file beside this one",
    "weights_sha256": "of the weights beside it, for PyTorch",
    "original": "name of the file that was added",
    "original_sha256": "of that file",
    "source": "where it comes from",
    "licence": "its terms",
}
"""What the keys of a card mean, which the file says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(Figures):
    """What is known of a foreign network.

    Attributes:
        scale: factor from input to output size, 1 to 4.
        channels: of input and output: 3 for RGB, 1 for luma.
        peak: value that white has: 1 or 255.
        layout: order of the axes.
        multiple: rows and columns of the input are multiples of this.
        reach: pixels of the input, in each direction, that an output pixel depends on; ``None``: the whole picture.
        fixed: (rows, columns) of the input, where the network takes no other size.
        deterministic: whether the same picture gave the same result twice.
        parameters: number of weights.
        macs_per_pixel: multiply-accumulates for a pixel of the input.
        bytes_per_pixel: memory that OpenVINO needs at most at once for a pixel of the input.
        precision: ``int8`` if sr4k quantize made it.
        loss: PSNR that int8 costs against the network that it was made of, in dB.
        correlation: of what it makes of a picture, made smaller again, with the picture; ``None``: it was added by a
            version that did not measure it.
        shift: by which it changes the mean level, white being 1; ``None`` likewise.
        sha256: of the ONNX file.
        architecture: as the converter names it; empty: unknown.
        weights_sha256: of the checkpoint's weights, which are kept beside the ONNX file; empty: there are none.
        original: name of the file that was added.
        original_sha256: of that file.
        source: where it comes from, in the user's words.
        licence: its terms, in the user's words.
    """

    scale: int
    channels: int
    peak: float
    layout: Layout = "NCHW"
    multiple: int = 1
    reach: int | None = None
    fixed: tuple[int, int] | None = None
    deterministic: bool = True
    parameters: int
    macs_per_pixel: float
    bytes_per_pixel: float
    precision: Literal["fp32", "int8"] = "fp32"
    loss: float | None = None
    correlation: float | None = None
    shift: float | None = None
    sha256: str
    architecture: str = ""
    weights_sha256: str = ""
    original: str = ""
    original_sha256: str = ""
    source: str = ""
    licence: str = ""

    @property
    def receptive_field(self) -> int | None:
        return self.reach

    def macs(self, height: int, width: int) -> int:
        return round(self.macs_per_pixel * height * width)

    @property
    def is_doubtful(self) -> bool:
        """Whether what it makes is so far from the picture that its range may not be what was found."""
        if self.correlation is None or self.shift is None:
            return False
        return self.correlation < _LEAST_ALIKE or abs(self.shift) > _MOST_SHIFT

    def to_toml(self) -> str:
        """Return the text of the card's file."""
        lines = [
            "# Made by sr4k model add. Edit source and licence as you like; the rest was measured.",
            f"form = {_FORM}",
        ]
        for each in fields(self):
            if (value := getattr(self, each.name)) not in (None, ""):
                lines.append(f"{each.name} = {_written(value)}  # {_WORDS[each.name]}")
        return "\n".join([*lines, ""])


def read_card(text: str, where: str) -> Card:
    """Return the card in a TOML text.

    Args:
        text: of the file.
        where: the file's name, for errors.

    Raises:
        OptionError: the text is no card, or that of another version.
    """
    import tomllib  # here, because Python 3.10, for which some code has to work, has none

    try:
        found: dict[str, Any] = tomllib.loads(text)
        if found.pop("form", None) != _FORM:
            raise ValueError("it was written by another version")
        if found.get("fixed") is not None:
            found["fixed"] = tuple(found["fixed"])
        card = Card(**found)
        _check(card)
    except (ValueError, TypeError, RecursionError) as err:
        raise OptionError(f"{where} is no card of a network ({err}): remove the network and add it again.") from err
    return card


def _check(card: Card) -> None:
    for name, kind in get_type_hints(Card).items():
        value = getattr(card, name)
        least = -_MOST if name in ("loss", "shift", "correlation") else 0
        if not _is_of(value, kind) or (isinstance(value, int | float) and not least <= value < _MOST):
            raise ValueError(f"{name} is {value!r}")
    if card.scale not in (1, 2, 3, 4) or card.channels not in (1, 3) or card.peak not in (1, 255):
        raise ValueError(f"scale {card.scale}, channels {card.channels}, peak {card.peak}")
    if not 1 <= card.multiple <= 256 or min(card.fixed or (1,)) < 1:
        raise ValueError(f"multiple {card.multiple}, fixed {card.fixed}")


def _is_of(value: object, kind: Any) -> bool:
    """Whether a value is of a type of a card's, where an integer is a number too, and a truth value is none."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is UnionType:
        return any(_is_of(value, each) for each in get_args(kind))
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(_is_of, value, kinds))
    wanted = (int, float) if kind is float else kind
    return isinstance(value, wanted) and (kind is bool or not isinstance(value, bool))


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, str):  # JSON's escapes are TOML's
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)
