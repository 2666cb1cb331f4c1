"""The size of a result, as the command, jobs, channels and an `Upscaler` take it: by one rule, in one wording."""

from dataclasses import replace
from fractions import Fraction
from numbers import Integral, Real
from typing import get_args

from sr4k.common.option_names import option
from sr4k.errors import FieldError, OptionError
from sr4k.jobs.parse import as_scale, is_size, parse_size
from sr4k.media.options import Box, Fit, ResultSize, Scale, check_video_sides
from sr4k.models.geometry import SCALE

GivenSize = ResultSize | str | tuple[int, int]
"""A size as it is given: also (width, height) in pixels, or text."""

Scaling = float | Fraction | str | None
"""A scale as it is given: a factor, or text as for a size."""


def size_as_given(given: GivenSize) -> ResultSize:
    """Return a size, or the one that a pair or a text says; ``x2`` is a scale here, so that it counts as given.

    Raises:
        OptionError: it is of another type, or says no size.
    """
    if isinstance(given, str):
        return parse_size(given)
    if given is None or isinstance(given, Box | Scale):
        return given
    if isinstance(given, tuple | list) and len(given) == 2 and all(map(_is_whole, given)):
        return Box(int(given[0]), int(given[1]))
    raise OptionError(
        f"{option('size')} can't be {given!r}: use (width, height), such as (1280, 720), or text, such as '4k'."
    )


def result_size(
    size: GivenSize, scale: Scaling = None, fit: Fit | None = None, *, usual: int | None = SCALE
) -> ResultSize:
    """Return the size of a result that was given as a size or as a scale; ``None``: that which the network makes.

    Args:
        size: a size, (width, height), or text as for `sr4k.jobs.parse.parse_size`; ``None``: not given.
        scale: a factor, or text; ``None``: not given.
        fit: how pictures of another shape are fitted to it; ``None``: as it says itself.
        usual: factor by which the network enlarges; ``None``: it is not known yet.

    Raises:
        FieldError: it was given as both, or ``fit`` has no size to fit them to.
        OptionError: a value is of another type, or out of range.
    """
    if size is not None and scale is not None:
        raise FieldError("{size} and {scale} both say how large the result is: leave one out.")
    wanted = size_as_given(size) if scale is None else _by_scale(scale)
    if fit is not None:
        wanted = _fitted(wanted, fit)
    return None if usual is not None and wanted == Scale(Fraction(usual)) else wanted


def check_for_video(size: ResultSize) -> None:
    """Refuse a size that no video can have.

    Raises:
        OptionError: a side is odd, or not within 4 to 16384.
    """
    if isinstance(size, Box):
        check_video_sides(size.width, size.height)


def _by_scale(scale: float | Fraction | str) -> ResultSize:
    if isinstance(scale, bool) or not isinstance(scale, str | Real):
        raise OptionError(f"{option('scale')} can't be {scale!r}: use a factor, such as 1.5, or text such as '4k'.")
    if isinstance(scale, str) and not is_size(scale):
        raise OptionError(
            f"{option('scale')} can't be '{scale}': use a factor, such as 2 or 1.5, or a size, such as 4k."
        )
    return parse_size(scale) if isinstance(scale, str) else as_scale(scale)


def _is_whole(side: object) -> bool:
    return isinstance(side, Integral) and not isinstance(side, bool)


def _fitted(size: ResultSize, fit: Fit) -> ResultSize:
    if fit not in get_args(Fit):
        raise FieldError("{fit} can't be '{0}': use {1}.", fit, ", ".join(get_args(Fit)))
    if isinstance(size, Box):
        return replace(size, fit=fit)
    if fit != "inside":
        raise FieldError("{fit} says how frames fit into a {size}: add a {size}, such as 4k.")
    return size
