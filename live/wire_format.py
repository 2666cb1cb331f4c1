"""How messages are written between two processes of which one may be anybody's: JSON, and bytes after it.

A pickle calls whatever it names with whatever it holds, and can ask for any amount of memory. This makes dataclasses of
those kinds that the reader names, of numbers that can be reckoned with.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

_KIND, _RATIO, _REST = "is", "/", "rest"
_END = b"\n"
"""Of JSON, which has none inside."""

LARGEST = 2**62
"""Of a number, either way: far from where sums overflow."""


def pack(message: object) -> bytes:
    """A dataclass of plain values, tuples, fractions, other dataclasses, and bytes at most once."""
    rest: list[bytes] = []
    text = json.dumps(_plain(message, rest), separators=(",", ":"))
    return b"".join((text.encode(), _END, *rest))


def unpack(packed: bytes, kinds: Mapping[str, type]) -> object:
    """What was packed. Whether its values are of the right types is for the reader to find out.

    Raises:
        ValueError, TypeError, KeyError, RecursionError: it is nothing of these kinds.
    """
    text, _, rest = packed.partition(_END)

    def made(found: dict[str, Any]) -> object:
        if _KIND in found:
            return kinds[found.pop(_KIND)](**{name: _frozen(value) for name, value in found.items()})
        if _RATIO in found:
            return _ratio(*found[_RATIO])
        if _REST in found:
            if found[_REST] != len(rest):
                raise ValueError
            return rest
        return found

    return json.loads(text, object_hook=made, parse_int=_number)


def is_number(value: object, lowest: int = -LARGEST) -> bool:
    """Whether it is a whole number that can be reckoned with."""
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= LARGEST


def _plain(value: Any, rest: list[bytes]) -> Any:
    if isinstance(value, Fraction):
        return {_RATIO: [value.numerator, value.denominator]}
    if isinstance(value, bytes):
        rest.append(value)
        return {_REST: len(value)}
    if isinstance(value, tuple):
        return [_plain(each, rest) for each in value]
    if is_dataclass(value):
        parts = {f.name: _plain(getattr(value, f.name), rest) for f in fields(value)}
        return {_KIND: type(value).__name__, **parts}
    return value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value


def _number(digits: str) -> int:
    number = int(digits) if len(digits) <= len(str(-LARGEST)) else LARGEST + 1
    if not is_number(number):
        raise ValueError
    return number


def _ratio(numerator: object, denominator: object) -> Fraction:
    if isinstance(numerator, int) and isinstance(denominator, int) and denominator > 0:
        return Fraction(numerator, denominator)
    raise ValueError


_LONGEST_REASON = 300
"""Characters."""


def cleaned(reason: str) -> str:
    """Words that may be shown: one short line, and nothing that a terminal would obey."""
    line = " ".join("".join(c if c.isprintable() else " " for c in reason[: 4 * _LONGEST_REASON]).split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]} …"
