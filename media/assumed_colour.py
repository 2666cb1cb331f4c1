"""What the result says of its colours where the source says nothing: what it was read by.

A player guesses by the size of a picture, and the result has another size: what was guessed once must be written.
"""

from dataclasses import replace

from sr4k.media.video import BT601, BT709, FULL_RANGE, LIMITED_RANGE, ColourTags
from sr4k.models.colour import Colour

# Code points of ITU-T H.273.
_SAYS_NOTHING = {0, 2, 3}
"""Reserved and unspecified ones; as a matrix, 0 is RGB, which the result is not."""
_BT470BG, _BT2020, _SRGB = 5, 9, 13

_PAL_ROWS, _NTSC_ROWS = {288, 576}, {240, 480, 486}

_CAMERA = {BT709, _BT470BG, BT601}
"""Primaries that go with the one transfer function that BT.601 and BT.709 share."""


def completed(tags: ColourTags, colour: Colour, height: int, *, is_graphic: bool, may_be_hdr: bool) -> ColourTags:
    """The tags, and in place of those that say nothing what the planes were read by.

    Primaries, which reading does not need, are those that players assume at the source's size. The transfer function
    stays untold where it may be one of several.

    Args:
        height: rows of the source, by which they guess.
        is_graphic: whether it comes of RGB or a still picture, which are sRGB if nothing else is said.
        may_be_hdr: whether there is light metadata, which go with more than one transfer function.
    """
    if tags.colorspace in _SAYS_NOTHING:
        matrix = {"bt709": BT709, "bt2020": _BT2020}.get(colour.matrix, BT601)
        tags = replace(tags, colorspace=_BT470BG if matrix == BT601 and height in _PAL_ROWS else matrix)
    if tags.color_range not in (LIMITED_RANGE, FULL_RANGE):
        tags = replace(tags, color_range=FULL_RANGE if colour.full_range else LIMITED_RANGE)
    if tags.color_primaries in _SAYS_NOTHING:
        tags = replace(tags, color_primaries=_primaries(colour, height, is_graphic=is_graphic))
    if tags.color_trc in _SAYS_NOTHING and tags.color_primaries in _CAMERA and not may_be_hdr:
        usual = BT709 if tags.color_primaries == BT709 else BT601
        tags = replace(tags, color_trc=_SRGB if is_graphic else usual)
    return tags


def _primaries(colour: Colour, height: int, *, is_graphic: bool) -> int:
    if colour.matrix == "bt2020":
        return _BT2020
    if is_graphic or colour.matrix != "bt601":
        return BT709
    return _BT470BG if height in _PAL_ROWS else BT601 if height in _NTSC_ROWS else BT709
