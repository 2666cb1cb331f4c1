"""The size of a result, as a person writes it."""

from sr4k.errors import OptionError
from sr4k.stages.settings import Box, Fit

Size = tuple[int, int]
"""Width and height in pixels."""

NAMED_SIZES: dict[str, Size] = {
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "1440p": (2560, 1440),
    "2160p": (3840, 2160),
    "4k": (3840, 2160),
    "8k": (7680, 4320),
}

_TWICE = "x2"
"""What a result is if nothing is said."""


def parse_size(text: str, fit: Fit = "inside") -> Box | None:
    """A name, which stands for a box that turns with the picture, or ``WIDTHxHEIGHT``; ``None`` for ``x2``.

    Raises:
        OptionError: anything else.
    """
    name = text.lower()
    if name == _TWICE:
        return None
    if name in NAMED_SIZES:
        return Box(*NAMED_SIZES[name], fit, turns=True)
    if "x" not in name:
        raise OptionError(f"'{text}' is no size: use {', '.join(NAMED_SIZES)}, x2 or WIDTHxHEIGHT, such as 3840x2160.")
    return Box(*parse_sides(text), fit)


def parse_sides(text: str) -> Size:
    """``WIDTHxHEIGHT``, even numbers.

    Raises:
        OptionError: anything else.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise OptionError(f"'{text}' is no size: use WIDTHxHEIGHT, such as 3840x2160.")
    size = (int(width), int(height))
    if any(side % 2 or not 4 <= side <= 16384 for side in size):
        raise OptionError(f"'{text}' can't be: both sides must be even, from 4 to 16384.")
    return size
