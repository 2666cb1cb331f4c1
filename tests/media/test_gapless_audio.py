"""Joining two pieces of audio, in files and in live streams."""

import pytest

from sr4k.media.gapless_audio import seam


@pytest.mark.parametrize(
    ("ahead", "rate", "joined"),
    [
        (0, 48_000, (0, 0)),
        (960, 48_000, (0, 0)),
        (961, 48_000, (961, 0)),
        (-960, 48_000, (0, 0)),
        (-961, 48_000, (0, 961)),
        (220, 11_025, (0, 0)),
        (221, 11_025, (221, 0)),
        (-221, 11_025, (0, 221)),
    ],
)
def test_up_to_20_ms_are_jitter_and_beyond_a_gap_is_silence_and_an_overlap_is_cut(
    ahead: int, rate: int, joined: tuple[int, int]
) -> None:
    assert seam(ahead, rate) == joined


@pytest.mark.parametrize(("ahead", "joined"), [(1, (1, 0)), (-1, (0, 1)), (0, (0, 0))])
def test_after_silence_a_piece_goes_exactly_where_it_belongs(ahead: int, joined: tuple[int, int]) -> None:
    assert seam(ahead, 48_000, exact=True) == joined
