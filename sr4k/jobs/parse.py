"""Parse a size, a part of a video, a video track, a frame rate or a list of GPUs from text."""

import re
from fractions import Fraction

from sr4k.common.option_names import option
from sr4k.errors import OptionError
from sr4k.media.options import Box, Scale, TimeSpan, VideoChoice, check_sides, check_video_sides

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

_HIGHEST_RATE = 1000
"""Frames per second."""

_FACTOR = re.compile(r"x?(\d+(?:\.\d+)?)")
_COUNT = re.compile(r"0*[1-9]\d{,5}")
_SIDES = re.compile(r"\d+x\d+")
_TIME = r"(?:(?:(?P<{0}h>\d+):)?(?P<{0}m>\d+):)?(?P<{0}s>\d+(?:\.\d+)?)s?"
_PART = re.compile(_TIME.format("l") + "(?:@" + _TIME.format("f") + ")?")


def parse_size(text: str) -> Box | Scale:
    """Parse the size of a result.

    Args:
        text: a name of `NAMED_SIZES`, whose box turns with the picture; ``WIDTHxHEIGHT``; or a factor, such as ``1.5``
            or ``x3``.

    Raises:
        OptionError: the text is none of these, a side is not within 1 to 16384, or the factor is out of range.
    """
    name = text.lower()
    if name in NAMED_SIZES:
        return Box(*NAMED_SIZES[name], turns=True)
    if (factor := _FACTOR.fullmatch(name)) is not None:
        return as_scale(Fraction(factor[1]))
    if not is_size(name):
        raise OptionError(
            f"'{text}' isn't a size: use {', '.join(NAMED_SIZES)}, WIDTHxHEIGHT, such as 3840x2160, or a factor, such "
            "as x2 or 1.5."
        )
    return Box(*_sides(text))


def is_size(text: str) -> bool:
    """Whether a text has the form of a size or of a factor, as `parse_size` takes it."""
    name = text.lower()
    return name in NAMED_SIZES or any(form.fullmatch(name) for form in (_FACTOR, _SIDES))


def as_scale(factor: float | Fraction) -> Scale:
    """Return the size of a result that is ``factor`` times as wide and high as its source.

    Raises:
        OptionError: the factor is out of range.
    """
    try:
        exact = Fraction(str(factor))
    except ValueError:
        raise OptionError(f"A scale can't be {factor}: use a factor such as 1.5.") from None
    return Scale(exact)


def parse_sides(text: str) -> Size:
    """Parse ``WIDTHxHEIGHT`` of a video, in pixels.

    Raises:
        OptionError: the text has another form, or a side is odd or not within 4 to 16384.
    """
    size = _sides(text)
    check_video_sides(*size)
    return size


def parse_part(text: str) -> TimeSpan:
    """Parse a part of a video: ``10s@00:05:00`` is ten seconds from 5:00 on, ``10s`` the first ten.

    Raises:
        OptionError: the text has another form, or the length is 0.
    """
    match = _PART.fullmatch(text.strip())
    if match is None:
        raise OptionError(f"'{text}' isn't a part of a video: use LENGTH@FROM, such as 10s@00:05:00.")
    seconds = _seconds(match, "l")
    if not seconds:
        raise OptionError(f"'{text}' has no length: use LENGTH@FROM, such as 10s@00:05:00.")
    return TimeSpan(_seconds(match, "f"), seconds)


def parse_count(text: str, keyword: str) -> int:
    """Parse a number of things, 1 or more. ``keyword``: of the option that has it, for the error.

    Raises:
        OptionError: it is none.
    """
    if _COUNT.fullmatch(text) is None:
        raise OptionError(f"{option(keyword)} takes a whole number above 0, such as 2.")
    return int(text)


def parse_track(text: str) -> VideoChoice:
    """Parse a video track: ``1`` is the second video of a file, ``i:0x101`` the one with this stream id.

    Raises:
        OptionError: the text has another form.
    """
    by_id, number = text.startswith("i:"), text.removeprefix("i:")
    try:
        return VideoChoice(int(number, 0 if by_id else 10), by_id)
    except ValueError:
        raise OptionError(
            f"'{text}' isn't a video track: use its number, from 0, or i: and its id, such as i:0x101."
        ) from None


def parse_rate(text: str) -> Fraction:
    """Parse a frame rate in frames per second, such as ``24`` or ``30000/1001``.

    Raises:
        OptionError: the text has another form, or the rate is not above 0 and at most 1000.
    """
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise OptionError(f"'{text}' isn't a frame rate: use frames per second, such as 24 or 30000/1001.")
    if rate > _HIGHEST_RATE:
        raise OptionError(f"{text} frames per second are too many: use at most {_HIGHEST_RATE}.")
    return rate


def parse_devices(text: str) -> tuple[int, ...]:
    """Parse numbers of GPUs, separated by commas.

    Raises:
        OptionError: the text has another form.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise OptionError(
            f"'{text}' isn't a list of NVIDIA GPUs: use their numbers, separated by commas, such as 0,1. OpenVINO's "
            f"device is {option('device', 'gpu')}."
        )
    return tuple(map(int, parts))


def _sides(text: str) -> Size:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise OptionError(f"'{text}' isn't a size: use WIDTHxHEIGHT, such as 3840x2160.")
    size = (int(width), int(height))
    check_sides(*size, text)
    return size


def _seconds(match: re.Match[str], which: str) -> Fraction:
    hours, minutes, seconds = (Fraction(match[which + unit] or 0) for unit in "hms")
    return 3600 * hours + 60 * minutes + seconds
