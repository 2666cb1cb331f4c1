import pytest

from sr4k.media.assumed_colour import completed
from sr4k.media.video import ColourTags
from sr4k.models.colour import Colour, Matrix

NOTHING = ColourTags(2, 0, 2, 2)


@pytest.mark.parametrize(
    ("matrix", "height", "expected"),
    [
        ("bt601", 480, ColourTags(6, 1, 6, 6)),
        ("bt601", 576, ColourTags(5, 1, 5, 6)),
        ("bt601", 360, ColourTags(6, 1, 1, 1)),
        ("bt709", 1080, ColourTags(1, 1, 1, 1)),
    ],
)
def test_untagged_colour_is_what_players_assume_at_that_size(matrix: Matrix, height: int, expected: ColourTags) -> None:
    assert completed(NOTHING, Colour(matrix), height, is_graphic=False, may_be_hdr=False) == expected


@pytest.mark.parametrize(
    "told", [ColourTags(9, 1, 9, 16), ColourTags(6, 2, 12, 13), ColourTags(8, 1, 1, 8), ColourTags(7, 1, 7, 7)]
)
def test_known_tags_stay(told: ColourTags) -> None:
    assert completed(told, Colour("bt601"), 480, is_graphic=False, may_be_hdr=False) == told


@pytest.mark.parametrize("nothing", [2, 3])
def test_each_tag_is_filled_in_by_itself(nothing: int) -> None:
    told = ColourTags(6, 2, nothing, 4)
    assert completed(told, Colour("bt601"), 576, is_graphic=False, may_be_hdr=False) == ColourTags(6, 2, 5, 4)
    told = ColourTags(nothing, 1, 12, 16)
    assert completed(told, Colour("bt709"), 1080, is_graphic=False, may_be_hdr=False) == ColourTags(1, 1, 12, 16)


def test_graphics_are_srgb() -> None:
    filled = completed(NOTHING, Colour("bt601", full_range=True), 576, is_graphic=True, may_be_hdr=False)
    assert filled == ColourTags(5, 2, 1, 13)


@pytest.mark.parametrize(
    ("told", "may_be_hdr", "expected"),
    [
        (ColourTags(9, 0, 2, 2), False, ColourTags(9, 1, 9, 2)),
        (ColourTags(1, 1, 1, 2), True, ColourTags(1, 1, 1, 2)),
        (ColourTags(1, 1, 12, 2), False, ColourTags(1, 1, 12, 2)),
    ],
)
def test_an_ambiguous_transfer_function_stays_unspecified(
    told: ColourTags, may_be_hdr: bool, expected: ColourTags
) -> None:
    matrix: Matrix = "bt2020" if told.colorspace == 9 else "bt709"
    assert completed(told, Colour(matrix), 1080, is_graphic=False, may_be_hdr=may_be_hdr) == expected
