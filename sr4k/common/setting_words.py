"""Says in plain words what pydantic finds wrong with settings, in YAML's terms instead of those of Python's types."""

import difflib
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

_WORDS = {
    "missing": "is missing",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_unicode": "must be text in Unicode",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must have the form {pattern}",
    "json_invalid": "is no JSON",
    "too_short": "must not be empty",
    "too_long": "must be a list of at most {max_length}",
    "tuple_type": "must be a list, such as [a, b]",
    "list_type": "must be a list, such as [a, b]",
    "dict_type": "must be a mapping of keys",
    "mapping_type": "must be a mapping of keys",
    "model_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
}
"""Reasons by pydantic's type of an error, with fields of its context."""

ONE_OF = "must be one of"
"""How the reason begins if there is a list of allowed values."""


def first_fault(errors: Sequence[ErrorDetails], kind: type[BaseModel]) -> tuple[str, str, object]:
    """Return the dotted key of an unknown key, else of the first error, why it is invalid, and what was given."""
    first = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    return *_key_and_reason(first, errors, kind), first["input"]


def as_sentence(key: str, reason: str) -> str:
    """Return the reason why a key's value is invalid as a sentence about the key."""
    joint = " " if reason.startswith(("must ", "is ", "can't ")) else ": "
    return f"{key}{joint}{reason}{'' if reason.endswith('?') else '.'}"


def _key_and_reason(first: ErrorDetails, errors: Sequence[ErrorDetails], kind: type[BaseModel]) -> tuple[str, str]:
    loc, message = first["loc"], first["msg"].removeprefix("Value error, ")
    if loc[-1:] == ("[key]",) and isinstance(first["input"], bool):
        return _dotted(loc[:-2]), "YAML reads this name as true or false: put it in quotes"
    if loc[-1:] == ("[key]",):
        return _dotted(loc[:-1]), "must be text: put it in quotes" if first["type"] == "string_type" else message
    if first["type"] == "extra_forbidden":
        return _dotted(loc), _unknown(str(loc[-1]), _keys_beside(loc, kind))
    if first["type"] == "literal_error":
        return _dotted(loc), f"{ONE_OF} {_allowed(first)}"
    known = _WORDS.get(first["type"])
    limits = {name: _plain(value) for name, value in first.get("ctx", {}).items()}
    reason = message if known is None else known.format_map(limits)
    for error in errors:  # if a value may be of several types, the last step of the key is the type that was tried
        if _dotted(error["loc"][-1:]).startswith("literal[") and error["loc"][:-1] == loc[:-1]:
            return _dotted(loc[:-1]), f"{reason}, or {_allowed(error)}"
    return _dotted(loc), reason


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _dotted(loc: Sequence[int | str]) -> str:
    return ".".join(map(str, loc))


def _allowed(error: ErrorDetails) -> str:
    """Return the literals that a value may have, as a list in words."""
    return str(error["ctx"]["expected"]).replace("'", "")


def _unknown(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    if near:
        return f"there is no such key: did you mean {near[0]}?"
    return f"there is no such key; the keys here are {', '.join(known)}" if known else "there is no such key"


def _keys_beside(loc: Sequence[int | str], kind: type[BaseModel]) -> list[str]:
    """Return the keys that the section of an unknown key may have; none if the section can't be told."""
    sections = [kind]
    for step in loc[:-1]:
        known = [section.model_fields[step] for section in sections if step in section.model_fields]
        if known:
            sections = [each for field in known for each in _models(field.annotation)]
    fields: Mapping[str, Any] = {} if len(sections) != 1 else sections[0].model_fields
    return list(fields)


def leaves(annotation: Any) -> Iterator[Any]:
    """Yield the innermost types of a type such as ``tuple[int, ...] | None``."""
    inner = typing.get_args(annotation)
    if not inner or typing.get_origin(annotation) is typing.Literal:
        yield annotation
    else:
        for each in inner:
            yield from leaves(each)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models within a type such as ``dict[str, Channel] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models(inner)
