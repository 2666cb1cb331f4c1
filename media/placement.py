"""Computes how pictures of any shape are placed in a result of a given size."""

from dataclasses import dataclass
from fractions import Fraction

from sr4k.media.options import Box
from sr4k.media.video import VideoInfo

_ALIKE = Fraction(1, 100)
"""Relative difference up to which two display aspect ratios count as equal: 854x480 is 16:9."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture's place in the result.

    Attributes:
        size: (width, height) of the result.
        inner: (width, height) of the picture in the middle of it.
        sample_aspect_ratio: of the result.
    """

    size: tuple[int, int]
    inner: tuple[int, int]
    sample_aspect_ratio: Fraction

    @property
    def corner(self) -> tuple[int, int]:
        """(top, left) of the picture in the result: even, so that chroma samples keep their sites."""
        (width, height), (inner_width, inner_height) = self.size, self.inner
        return (height - inner_height) // 4 * 2, (width - inner_width) // 4 * 2


def placed(box: Box | None, info: VideoInfo) -> Placed:
    """Place pictures as ``info`` describes them in a box; without a box they keep their size and pixel shape."""
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
    """Return the box's (width, height) as coded in the stream, before it is rotated for display."""
    matrix = info.display_matrix
    is_shown_turned = matrix is not None and matrix[0] == 0 and matrix[1] != 0
    is_other = (shape < 1) == (box.width > box.height) and shape != 1 if box.turns else is_shown_turned
    return (box.height, box.width) if is_other else (box.width, box.height)


def _even(side: Fraction) -> int:
    return max(2, round(side / 2) * 2)
