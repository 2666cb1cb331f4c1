"""Fields of a job that also accept text, as it is typed on the command line."""

import os
from collections.abc import Callable, Iterable
from fractions import Fraction
from numbers import Integral
from typing import Any, Generic, TypeVar, cast, overload

from sr4k.common.given_path import given_path, name_or_path
from sr4k.common.option_names import option
from sr4k.configs import Preset, load_preset
from sr4k.errors import FieldError, OptionError
from sr4k.jobs.parse import parse_part, parse_rate, parse_track
from sr4k.live.address import Address, parse_source, parse_target
from sr4k.media.options import TimeSpan, VideoChoice
from sr4k.media.writing.encoder_limits import takes_preset
from sr4k.media.writing.encoder_table import ENCODERS

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


def _or_text(keyword: str, kinds: tuple[type, ...], parse: Callable[[str], Any], usage: str) -> Callable[..., Any]:
    """Return a conversion that parses text and keeps values of ``kinds``; it raises OptionError for any other type."""

    def meaning(given: object) -> Any:
        if isinstance(given, str):
            return parse(given)
        if isinstance(given, kinds):
            return given
        raise OptionError(f"{option(keyword)} can't be {given!r}: use {usage}.")

    return meaning


def path_text(keyword: str, given: object) -> str | None:
    """Return a path as text; ``None``: none was given.

    Raises:
        OptionError: it is no path; names the keyword.
    """
    return None if given is None else given_path(given, option(keyword))


def check_cpus(given: object) -> None:
    """Check a number of CPUs; ``None``: all.

    Raises:
        FieldError: it is not a whole number above 0.
    """
    if given is None:
        return
    if (cpus := _whole(given)) is None:
        raise FieldError("{cpus} can't be {0}: it must be a whole number.", given)
    if cpus < 1:
        raise FieldError("{cpus} can't be {0}: at least one CPU is needed.", given)


def _whole(given: object) -> int | None:
    """Return a whole number, of Python's or of NumPy's; ``None``: it is none, as ``True`` isn't."""
    if isinstance(given, bool) or not isinstance(given, Integral):
        return None
    return int(given)


def check_switches(job: object, *names: str) -> None:
    """Check fields that are on or off: text such as ``"no"`` would count as on.

    Raises:
        FieldError: one of them is neither.
    """
    for name in names:
        value = getattr(job, name)
        if value not in (True, False):
            raise FieldError(f"{{{name}}} can't be {{0}}: it must be True or False.", repr(value))


def rate_or_text(given: Fraction | float | str | None) -> Fraction | None:
    """Return a frame rate; see `sr4k.jobs.parse.parse_rate`."""
    return None if given is None else parse_rate(str(given))


Targets = Address | str | os.PathLike[str] | Iterable[Address | str | os.PathLike[str]]
"""One target of a live job, or several."""


def source_or_text(given: Address | str | os.PathLike[str]) -> Address:
    """Return the address of a source; see `sr4k.live.address.parse_source`."""
    return given if isinstance(given, Address) else parse_source(given_path(given, "A source"))


def targets_or_text(given: Targets) -> tuple[Address, ...]:
    """Return the addresses of targets; see `sr4k.live.address.parse_target`."""
    is_one = isinstance(given, Address | str | os.PathLike) or not isinstance(given, Iterable)
    several: Iterable[Any] = (given,) if is_one else cast("Iterable[Any]", given)
    return tuple(each if isinstance(each, Address) else parse_target(given_path(each, "A target")) for each in several)


def _loaded(name: str) -> Preset:
    try:
        return load_preset(name)
    except OptionError as err:
        if any(takes_preset(kind, codec, name) for kind, codec in ENCODERS):  # the command's --preset
            raise OptionError(f"{err} The speed of the encoder is {option('speed', name)}.") from err
        raise


_NOTHING = type(None)

GivenPreset = Preset | str | os.PathLike[str]
"""A preset as it is given: also its name, or the path of its file."""

_preset_or_text = _or_text("preset", (Preset,), _loaded, "a preset, its name or its path")
_preset_of_engine = _or_text("preset", (Preset,), load_preset, "a preset, its name or its path")


def preset_or_text(given: GivenPreset) -> Preset:
    """Return a preset; see `sr4k.configs.load_preset`.

    Raises:
        OptionError: it is of another type, there is none of this name, or its file is invalid.
    """
    preset: Preset = _preset_or_text(name_or_path(given))
    return preset


def preset_of_engine(given: GivenPreset) -> Preset:
    """Return a preset as `preset_or_text` does, for those that encode nothing, and have no speed."""
    preset: Preset = _preset_of_engine(name_or_path(given))
    return preset


part_or_text: Callable[[TimeSpan | str | None], TimeSpan | None] = _or_text(
    "part", (TimeSpan, _NOTHING), parse_part, "text such as '10s@00:05:00', or a TimeSpan"
)
_track_or_text = _or_text("track", (VideoChoice,), parse_track, "a number, from 0, or text such as 'i:0x101'")


def track_or_text(given: VideoChoice | int | str) -> VideoChoice:
    """Return a video track; see `sr4k.jobs.parse.parse_track`.

    Raises:
        OptionError: it is of another type, or says no track.
    """
    if (number := _whole(given)) is not None:
        return VideoChoice(number)
    chosen: VideoChoice = _track_or_text(given)
    return chosen
