"""A part of a video, as a person writes it."""

import re
from fractions import Fraction

from sr4k.errors import OptionError
from sr4k.stages.settings import TimeSpan

_TIME = r"(?:(?:(?P<{0}h>\d+):)?(?P<{0}m>\d+):)?(?P<{0}s>\d+(?:\.\d+)?)s?"
_PART = re.compile(_TIME.format("l") + "(?:@" + _TIME.format("f") + ")?")


def parse_part(text: str) -> TimeSpan:
    """``10s@00:05:00``: ten seconds from five minutes on; ``10s``: the first ten.

    Raises:
        OptionError: anything else.
    """
    match = _PART.fullmatch(text.strip())
    if match is None:
        raise OptionError(f"'{text}' is no part of a video: use LENGTH@FROM, such as 10s@00:05:00.")
    seconds = _seconds(match, "l")
    if not seconds:
        raise OptionError(f"'{text}' has no length: use LENGTH@FROM, such as 10s@00:05:00.")
    return TimeSpan(_seconds(match, "f"), seconds)


def clock(seconds: float | Fraction) -> str:
    """``0:05:00.20``."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{float(seconds - whole) + whole % 60:05.2f}"


def _seconds(match: re.Match[str], which: str) -> Fraction:
    hours, minutes, seconds = (Fraction(match[which + unit] or 0) for unit in "hms")
    return 3600 * hours + 60 * minutes + seconds
