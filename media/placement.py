"""How pictures of any shape go into the size that a result is to have."""

from dataclasses import dataclass
from fractions import Fraction

from sr4k.media.options import Box
from sr4k.media.video import VideoInfo

_ALIKE = Fraction(1, 100)
"""Shapes that differ by no more than this are one: 854x480 is 16:9."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture in its box: (width, height) of the result, and of the picture within, in the middle of it."""

    size: tuple[int, int]
    inner: tuple[int, int]
    sample_aspect_ratio: Fraction

    @property
    def corner(self) -> tuple[int, int]:
        """Top and left of the picture in the result: even, so that its colour is in place."""
        (width, height), (inner_width, inner_height) = self.size, self.inner
        return (height - inner_height) // 4 * 2, (width - inner_width) // 4 * 2


def placed(box: Box | None, info: VideoInfo) -> Placed:
    """How pictures such as ``info`` tells, of any size, go into a box; without one they stay as they are."""
    if box is None:
        size = info.width, info.height
        return Placed(size, size, info.sample_aspect_ratio or Fraction(1))
    shape = Fraction(info.width, info.height) * (info.sample_aspect_ratio or 1)
    width, height = _as_coded(box, info, shape)
    if box.fit == "stretch":
        return Placed((width, height), (width, height), shape * Fraction(height, width))
    inner = (width, height)
    if abs(shape * Fraction(height, width) - 1) > _ALIKE:
        inner = min(width, _even(height * shape)), min(height, _even(width / shape))
    return Placed(inner if box.fit == "inside" else (width, height), inner, Fraction(1))


def _as_coded(box: Box, info: VideoInfo, shape: Fraction) -> tuple[int, int]:
    """Its sides as the stream has them, before it is turned for showing."""
    matrix = info.display_matrix
    is_shown_turned = matrix is not None and matrix[0] == 0 and matrix[1] != 0
    is_other = (shape < 1) == (box.width > box.height) and shape != 1 if box.turns else is_shown_turned
    return (box.height, box.width) if is_other else (box.width, box.height)


def _even(side: Fraction) -> int:
    return max(2, round(side / 2) * 2)
