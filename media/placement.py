"""Computes how pictures of any shape are placed in a result of a given size."""

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Literal

from sr4k.media.options import Box, ResultSize, Scale, check_sides, check_video_sides
from sr4k.media.video import VideoInfo

_ALIKE = Fraction(1, 100)
"""Relative difference up to which two display aspect ratios count as equal: 854x480 is 16:9."""

_ONCE = Fraction(11, 5)
"""Ratio of the result's sides to the source's up to which a filter does as well as a second pass, within 0.1 dB."""

_AGAIN = Fraction(3, 2)
"""Ratio of the second input's sides to the source's: the best on validation pictures, whatever the result's size."""


Grid = Literal[1, 2]
"""Pixels that sides are multiples of: 2 for 4:2:0, in which 2x2 pixels share a sample of chroma, 1 for pictures."""


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


def placed(wanted: ResultSize, info: VideoInfo, grid: Grid = 2) -> Placed:
    """Place pictures in a result of a wanted size.

    Args:
        wanted: a box, a scale, which refers to the source, or ``None``: the pictures keep their size.
        info: the pictures, before or after the network.
        grid: of the result.

    Raises:
        OptionError: a side of the result is longer than 16384 pixels or, on the grid of 2, shorter than 4, or the box
            is not on the grid.
    """
    if not isinstance(wanted, Box):
        size = (info.width, info.height) if wanted is None else _scaled(wanted, info, grid)
        return Placed(size, size, info.sample_aspect_ratio or Fraction(1))
    if grid == 2:
        check_video_sides(wanted.width, wanted.height)
    return _boxed(wanted, info, grid)


def second_input(wanted: ResultSize, info: VideoInfo) -> tuple[int, int] | None:
    """Return the (width, height) at which pictures go through the network a second time; ``None``: once is enough.

    Args:
        wanted: size of the result.
        info: the pictures, before or after the first pass.
    """
    source, inner = _source_size(info), placed(wanted, info, 1).inner
    ratio = Fraction(inner[0] * inner[1], source[0] * source[1])
    if isinstance(wanted, Scale):
        ratio = wanted.factor**2  # as it was asked for, before sides were rounded
    if wanted is None or ratio <= _ONCE**2:
        return None
    return round(_AGAIN * source[0]), round(_AGAIN * source[1])


def _source_size(info: VideoInfo) -> tuple[int, int]:
    return info.source_size or (info.width, info.height)


def _scaled(scale: Scale, info: VideoInfo, grid: Grid) -> tuple[int, int]:
    width, height = (_nearest(scale.factor * side, grid) for side in _source_size(info))
    check_sides(width, height, f"{width}x{height}", least=4 if grid == 2 else 1)
    return width, height


def _boxed(box: Box, info: VideoInfo, grid: Grid) -> Placed:
    shape = Fraction(*_source_size(info)) * (info.sample_aspect_ratio or 1)
    width, height = _as_coded(box, info, shape)
    if box.fit == "stretch":
        return Placed((width, height), (width, height), shape * Fraction(height, width))
    inner = (width, height)
    if abs(shape * Fraction(height, width) - 1) > _ALIKE:
        inner = min(width, _nearest(height * shape, grid)), min(height, _nearest(width / shape, grid))
    return Placed(inner if box.fit == "inside" else (width, height), inner, Fraction(1))


def _as_coded(box: Box, info: VideoInfo, shape: Fraction) -> tuple[int, int]:
    """Return the box's (width, height) as coded in the stream, before it is rotated for display."""
    matrix = info.display_matrix
    is_shown_turned = matrix is not None and matrix[0] == 0 and matrix[1] != 0
    is_other = (shape < 1) == (box.width > box.height) and shape != 1 if box.turns else is_shown_turned
    return (box.height, box.width) if is_other else (box.width, box.height)


def _nearest(side: Fraction, grid: Grid) -> int:
    """Return the nearest length on the grid; half a pixel becomes a whole one."""
    return max(2, round(side / 2) * 2) if grid == 2 else max(1, floor(side + Fraction(1, 2)))
