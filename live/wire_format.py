"""Serialization of messages between two processes of which one is untrusted: a line of JSON, then raw bytes.

Unpickling can call any function with any arguments and allocate any amount of memory. `unpack` only creates dataclasses
of the kinds that the reader names, with integers of limited size.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

_KIND, _RATIO, _REST = "is", "/", "rest"
_END = b"\n"
"""End of the JSON, which contains no line break."""

LARGEST = 2**62
"""Largest absolute value of a number: sums of such numbers stay far from overflow."""


def pack(message: object) -> bytes:
    """Serialize a dataclass of plain values, tuples, fractions, other dataclasses, and bytes at most once."""
    rest: list[bytes] = []
    text = json.dumps(_plain(message, rest), separators=(",", ":"))
    return b"".join((text.encode(), _END, *rest))


def unpack(packed: bytes, kinds: Mapping[str, type]) -> object:
    """Return the dataclass that was packed. The caller must check the types of its values.

    Args:
        packed: a message made by `pack`, or anything an attacker sends instead.
        kinds: dataclasses that may be created, by name.

    Raises:
        ValueError, TypeError, KeyError, RecursionError: the message is malformed, or of none of these kinds.
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
    """Whether the value is an int, not a bool, between ``lowest`` and `LARGEST`."""
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
"""Maximum length of a reason, in characters."""


def cleaned(reason: str) -> str:
    """Return text from an untrusted process as one short line without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in reason[: 4 * _LONGEST_REASON]).split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]} …"
