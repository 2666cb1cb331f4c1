"""What people read: text from elsewhere, such as names of files, on its way to a terminal; and times."""

import json
import unicodedata
from fractions import Fraction

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of Unicode: controls, what turns the direction of writing, halves of characters and breaks of lines."""

_JOINERS = {"\u200c", "\u200d"}
"""Parts of words in some scripts, and of emoji."""


def printable(text: str, *, keep: str = "") -> str:
    """The text with escapes, as JSON has them, for characters that would move a cursor, change colours or break lines.

    ``keep``: characters to leave.
    """
    if text.isprintable():
        return text
    return "".join(character if character in keep or _is_safe(character) else _escape(character) for character in text)


def clock(seconds: float | Fraction) -> str:
    """``0:05:00.20``."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{float(seconds - whole) + whole % 60:05.2f}"


def _is_safe(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in _UNSAFE


def _escape(character: str) -> str:
    escaped = json.dumps(character)[1:-1]
    return escaped if escaped != character else f"\\u{ord(character):04x}"
