from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import MakeClip

from sr4k.media.upright import Upright

TURNS: dict[str, tuple[tuple[int, int, int, int], Any]] = {
    "by 90": ((0, 1, -1, 0), lambda luma: np.rot90(luma, -1)),
    "by 180": ((-1, 0, 0, -1), lambda luma: np.rot90(luma, 2)),
    "by 270": ((0, -1, 1, 0), np.rot90),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "upside down": ((1, 0, 0, -1), np.flipud),
    "transposed": ((0, 1, 1, 0), np.transpose),
    "transversed": ((0, -1, -1, 0), lambda luma: np.rot90(luma, 2).T),
    "as it is": ((1, 0, 0, 1), lambda luma: luma),
    "aslant": ((1, 1, -1, 1), lambda luma: luma),
}
"""a, b, c, d of a display matrix, and what it makes of a plane."""


def matrix_of(turn: str) -> list[int]:
    a, b, c, d = (65536 * value for value in TURNS[turn][0])
    return [a, b, 0, c, d, 0, 0, 0, 1 << 30]


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize("turn", TURNS)
def test_pictures_are_turned_and_mirrored_as_they_are_to_be_shown(turn: str, make_clip: MakeClip) -> None:
    upright = Upright()
    for picture in decoded(make_clip("a.mp4", frames=2, audio=False, display_matrix=matrix_of(turn))):
        planes = [plane.astype(int) for plane in parts(picture)]
        turned, is_swapped = upright(picture)
        assert is_swapped == ((turned.width, turned.height) == (48, 64))
        assert (turned.pts, turned.time_base, turned.duration) == (picture.pts, picture.time_base, picture.duration)
        assert turned.format.name == "yuv420p"
        for plane, made in zip(planes, parts(turned), strict=True):
            assert np.array_equal(TURNS[turn][1](plane), made)


def test_a_picture_of_another_angle_or_size_is_turned_as_its_own_matrix_says(make_clip: MakeClip) -> None:
    upright, sizes = Upright(), []
    for size, turn in (((64, 48), "by 90"), ((64, 48), "by 180"), ((80, 48), "by 180"), ((80, 48), "by 270")):
        clip = make_clip("a.mp4", frames=1, size=size, audio=False, display_matrix=matrix_of(turn))
        turned, _ = upright(decoded(clip)[0])
        sizes.append((turned.width, turned.height))
    assert sizes == [(48, 64), (64, 48), (80, 48), (48, 80)]


def parts(picture: av.VideoFrame) -> list[Any]:
    """Return the planes without padding."""
    return [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in picture.planes
    ]
