"""Colour tags for a source that has none: the values that its planes were read with are written to the result.

A player guesses by the picture's size, and the result has another size, so the guess must be made once and be written.
"""

from dataclasses import replace

from sr4k.media.video import BT601, BT709, FULL_RANGE, LIMITED_RANGE, ColourTags
from sr4k.models.colour import Colour

# Code points of ITU-T H.273.
SAYS_NOTHING = {0, 2, 3}
"""Reserved and unspecified ones; as a matrix, 0 is RGB, which the result is not."""
_BT470BG, _BT2020, _SRGB = 5, 9, 13

_PAL_ROWS, _NTSC_ROWS = {288, 576}, {240, 480, 486}

_CAMERA = {BT709, _BT470BG, BT601}
"""Primaries that go with the one transfer function that BT.601 and BT.709 share."""


def completed(tags: ColourTags, colour: Colour, height: int, *, is_graphic: bool, may_be_hdr: bool) -> ColourTags:
    """Return the tags with unspecified ones replaced by what the planes were read with.

    Primaries, which reading does not need, become those that players assume at the source's size. The transfer
    function stays unspecified where several are possible.

    Args:
        tags: the source's tags.
        colour: how the source's planes are read.
        height: rows of the source; players guess by it.
        is_graphic: whether the source is RGB or a still picture, which is sRGB unless tagged otherwise.
        may_be_hdr: whether there is HDR metadata, which goes with more than one transfer function (PQ, HLG).
    """
    if tags.colorspace in SAYS_NOTHING:
        matrix = {"bt709": BT709, "bt2020": _BT2020}.get(colour.matrix, BT601)
        tags = replace(tags, colorspace=_BT470BG if matrix == BT601 and height in _PAL_ROWS else matrix)
    if tags.color_range not in (LIMITED_RANGE, FULL_RANGE):
        tags = replace(tags, color_range=FULL_RANGE if colour.full_range else LIMITED_RANGE)
    if tags.color_primaries in SAYS_NOTHING:
        tags = replace(tags, color_primaries=_primaries(colour, height, is_graphic=is_graphic))
    if tags.color_trc in SAYS_NOTHING and tags.color_primaries in _CAMERA and not may_be_hdr:
        usual = BT709 if tags.color_primaries == BT709 else BT601
        tags = replace(tags, color_trc=_SRGB if is_graphic else usual)
    return tags


def _primaries(colour: Colour, height: int, *, is_graphic: bool) -> int:
    if colour.matrix == "bt2020":
        return _BT2020
    if is_graphic or colour.matrix != "bt601":
        return BT709
    return _BT470BG if height in _PAL_ROWS else BT601 if height in _NTSC_ROWS else BT709
