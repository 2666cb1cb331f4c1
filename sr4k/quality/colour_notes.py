"""What to tell of two videos with different colours: what is converted to compare them, and what is not."""

from collections.abc import Iterator
from typing import NamedTuple

from sr4k.media.assumed_colour import SAYS_NOTHING
from sr4k.media.look import Look, reading_in_words
from sr4k.media.video import PRIMARIES_NAMES, TRANSFER_NAMES, ColourTags
from sr4k.models.colour import Colour

_NAMES_OF_NOTHING = dict.fromkeys(SAYS_NOTHING, "unspecified")

_ONE_FUNCTION = dict.fromkeys((6, 14, 15), 1)
"""Transfer characteristics of BT.601 and BT.2020, which are those of BT.709."""

_ONE_TRIANGLE = {7: 6}
"""SMPTE 240M has the primaries of BT.601."""

_BT601_PRIMARIES = {5, 6}
_SDR = {1, 13}


class Tagged(NamedTuple):
    """How a picture is shown.

    Attributes:
        look: of the picture, with its own tags.
        colour: how its planes are read.
        tags: its own, with assumed values where it has none.
    """

    look: Look
    colour: Colour
    tags: ColourTags


def colour_notes(one: Tagged, other: Tagged, names: tuple[str, str]) -> Iterator[str]:
    """Yield a sentence for each property of the colours that differs.

    Matrix and range are converted; transfer characteristics and primaries are not. Players don't agree about untagged
    video: it may be shown by the function of BT.709 or sRGB, and with primaries that go with its matrix or its size.
    None of these is a difference.

    Args:
        one: a picture of the first video.
        other: a picture of the second.
        names: of both videos.
    """
    if _is_converted(one.look, other.look):
        mine, theirs = (
            reading_in_words(look.model, look.colour.matrix, full_range=look.full_range)
            for look in (one.look, other.look)
        )
        yield f"{names[0]} is read as {mine}, {names[1]} as {theirs}: matrix and range are converted"
    unconverted = "levels are compared as they are, but a player shows the videos differently"
    if _transfers(one).isdisjoint(_transfers(other)):
        mine, theirs = (_named(TRANSFER_NAMES, tagged.tags.color_trc) for tagged in (one, other))
        yield f"the transfer characteristics differ, {mine} and {theirs}: {unconverted}"
    if _primaries(one).isdisjoint(_primaries(other)):
        mine, theirs = (_named(PRIMARIES_NAMES, tagged.tags.color_primaries) for tagged in (one, other))
        yield f"the primaries differ, {mine} and {theirs}: {unconverted}"


def _is_converted(one: Look, other: Look) -> bool:
    """Whether matrix or range differ; what is gray goes with any matrix."""
    if one.full_range != other.full_range or "gray" in (one.model, other.model):
        return one.full_range != other.full_range
    return one.model != other.model or one.colour.matrix != other.colour.matrix


def _named(names: dict[int, str], code: int) -> str:
    return (names | _NAMES_OF_NOTHING).get(code, f"code {code}")


def _transfers(tagged: Tagged) -> set[int]:
    """Return the transfer characteristics that the picture may be shown by."""
    own = tagged.look.tags.color_trc
    return _SDR if own in SAYS_NOTHING else {_ONE_FUNCTION.get(own, own)}


def _primaries(tagged: Tagged) -> set[int]:
    """Return the primaries that the picture may be shown with."""
    own, assumed = tagged.look.tags.color_primaries, tagged.tags.color_primaries
    if own not in SAYS_NOTHING:
        return {_ONE_TRIANGLE.get(own, own)}
    return {assumed} | (_BT601_PRIMARIES if tagged.colour.matrix == "bt601" else set())
