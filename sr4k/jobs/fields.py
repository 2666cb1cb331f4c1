"""Fields of a job that also accept text, as it is typed on the command line."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Generic, TypeVar, overload

from sr4k.configs import Preset, load_preset
from sr4k.errors import FieldError, OptionError
from sr4k.jobs.parse import as_size, parse_part, parse_size, parse_track
from sr4k.media.options import Box, ResultSize, Scale, TimeSpan, VideoChoice

_Given = TypeVar("_Given")
_Kept = TypeVar("_Kept")


class Field(Generic[_Given, _Kept]):
    """A dataclass field that converts what is assigned to it.

    Args:
        meaning: converts an assigned value to the stored one.
        default: value to assign if none is passed.
    """

    def __init__(self, meaning: Callable[[_Given], _Kept], *default: _Given) -> None:
        self._meaning, self._default = meaning, default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, job: None, owner: type) -> _Given: ...
    @overload
    def __get__(self, job: object, owner: type) -> _Kept: ...
    def __get__(self, job: object | None, owner: type) -> Any:
        if job is not None:
            return job.__dict__[self._name]
        if not self._default:  # dataclasses read the default from the class
            raise AttributeError(self._name)
        return self._default[0]

    def __set__(self, job: object, value: _Given) -> None:
        job.__dict__[self._name] = self._meaning(value)


def _or_text(kinds: tuple[type, ...], parse: Callable[[str], Any], usage: str) -> Callable[..., Any]:
    """Return a conversion that parses text and keeps values of ``kinds``; it raises OptionError for any other type."""

    def meaning(given: object) -> Any:
        if isinstance(given, str):
            return parse(given)
        if isinstance(given, kinds):
            return given
        raise OptionError(f"{given!r} isn't supported here: use {usage}.")

    return meaning


_NOTHING = type(None)

preset_or_text: Callable[[Preset | str], Preset] = _or_text((Preset,), load_preset, "a preset, its name or its path")
size_or_text: Callable[[ResultSize | str], ResultSize] = _or_text(
    (Box, Scale, _NOTHING), parse_size, "a Box, or text such as '4k'"
)


Scaling = float | Fraction | str | None
"""A scale as it is given: a factor, or text as for a size."""


def scaled(size: ResultSize, scale: Scaling) -> ResultSize:
    """Return the size of a result that was given as a ``size`` or as a ``scale``.

    Raises:
        FieldError: it was given as both.
        OptionError: the scale is of another type, or out of range.
    """
    if scale is None:
        return size
    if size is not None:
        raise FieldError("{size} and {scale} both say how large the result is: leave one out.")
    if isinstance(scale, bool) or not isinstance(scale, str | int | float | Fraction):
        raise OptionError(f"{scale!r} isn't supported here: use a factor, such as 1.5, or text such as '4k'.")
    return parse_size(scale) if isinstance(scale, str) else as_size(scale)


part_or_text: Callable[[TimeSpan | str | None], TimeSpan | None] = _or_text(
    (TimeSpan, _NOTHING), parse_part, "a TimeSpan, or text such as '10s@00:05:00'"
)
track_or_text: Callable[[VideoChoice | str], VideoChoice] = _or_text(
    (VideoChoice,), parse_track, "a VideoChoice, or text such as '1'"
)
