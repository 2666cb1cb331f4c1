"""Crops pictures to the area that their container marks as visible."""

from fractions import Fraction
from typing import NamedTuple

from av.filter import Graph
from av.video.frame import VideoFrame


class Margins(NamedTuple):
    """Columns and rows at a picture's edges to crop, from MP4's clean aperture or Matroska's cropping elements."""

    left: int
    right: int
    top: int
    bottom: int


class Crop:
    """Crops pictures of one size in host memory, without a copy; other pictures pass unchanged.

    Args:
        margins: what to crop; ``None``: nothing.
        size: (width, height) of the pictures that the margins apply to.
    """

    def __init__(self, margins: Margins | None, size: tuple[int, int]) -> None:
        self._margins, self._size = margins, size
        self._format: str | None = None
        self.is_needed = margins is not None

    def __call__(self, picture: VideoFrame) -> VideoFrame:
        """Return the picture without its margins, with its pts, time base and duration."""
        is_on_gpu = picture.sw_format is not None
        if self._margins is None or is_on_gpu or (picture.width, picture.height) != self._size:
            return picture
        if picture.format.name != self._format:
            self._graph, self._format = _cutting(picture, self._margins), picture.format.name
        self._graph.vpush(picture)
        cut = self._graph.vpull()
        cut.pts, cut.time_base, cut.duration = picture.pts, picture.time_base, picture.duration
        return cut


def _cutting(like: VideoFrame, margins: Margins) -> Graph:
    left, right, top, bottom = margins
    where = f"w={like.width - left - right}:h={like.height - top - bottom}:x={left}:y={top}:exact=1"
    graph = Graph()
    buffer = graph.add_buffer(
        width=like.width, height=like.height, format=like.format, time_base=like.time_base or Fraction(1, 1000)
    )
    graph.link_nodes(buffer, graph.add("crop", where), graph.add("buffersink")).configure()
    return graph
