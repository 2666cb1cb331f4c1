"""Formats text for terminals: text from elsewhere, such as names of files, and times."""

import json
import unicodedata
from fractions import Fraction

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories: control and format characters (such as changes of direction), surrogates, private use,
unassigned, line and paragraph separators."""

_JOINERS = {"\u200c", "\u200d"}
"""Zero-width joiners, which words of some scripts and emoji contain."""


def printable(text: str, *, keep: str = "") -> str:
    """Return the text with JSON's escapes for characters that would move a cursor, change colours or break lines.

    ``keep``: characters that are not escaped.
    """
    if text.isprintable():
        return text
    return "".join(character if character in keep or _is_safe(character) else _escape(character) for character in text)


def one_line(text: str, most: int = 200) -> str:
    """Return text in one line, cut between two words where it is longer than ``most`` characters."""
    words = " ".join(text.split())
    return words if len(words) <= most else f"{words[: most + 1].rsplit(' ', 1)[0][:most]} …"


def first_line(error: BaseException, most: int = 200) -> str:
    """Return the first line of an error's text, cut as by `one_line`; its type where it says nothing."""
    return one_line(next(iter(str(error).strip().splitlines()), type(error).__name__), most)


def clock(seconds: float | Fraction) -> str:
    """Return a time in seconds (0 or more) as ``0:05:00.20``."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{float(seconds - whole) + whole % 60:05.2f}"


def _is_safe(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in _UNSAFE


def _escape(character: str) -> str:
    escaped = json.dumps(character)[1:-1]
    return escaped if escaped != character else f"\\u{ord(character):04x}"
