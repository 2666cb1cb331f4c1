"""Turns and mirrors pictures as their display matrix says, for outputs that can't carry one."""

from fractions import Fraction
from typing import Any

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame

from sr4k.common.side_data import side_data

_TRANSPOSE = "transpose"


class Upright:
    """Turns and mirrors pictures in host memory; keeps its filter graph as long as pictures of one kind come.

    Of the pictures of one kind, whose angle is the same, only the first is looked at for mirroring: that takes longer.
    """

    def __init__(self) -> None:
        self._kind: tuple[object, ...] = ()
        self._graph: Graph | None = None
        self._swaps = False

    def __call__(self, picture: VideoFrame) -> tuple[VideoFrame, bool]:
        """Return the picture as it is to be shown, with its times, and whether its width and height were swapped.

        Angles other than multiples of 90 degrees are left alone.
        """
        kind = (picture.width, picture.height, picture.format.name, picture.rotation)
        if kind != self._kind:
            filters = _filters(picture)
            self._graph, self._kind = _graph(picture, filters) if filters else None, kind
            self._swaps = bool(filters) and filters[0][0] == _TRANSPOSE
        if self._graph is None:
            return picture, False
        self._graph.vpush(picture)
        turned = self._graph.vpull()
        turned.pts, turned.time_base, turned.duration = picture.pts, picture.time_base, picture.duration
        return turned, self._swaps


def _filters(picture: VideoFrame) -> tuple[tuple[str, str], ...]:
    """Return libav's filters and their arguments for the display matrix: x' = ax + cy, y' = bx + dy."""
    found: Any = side_data(picture).get("DISPLAYMATRIX")
    if found is None:
        return ()
    matrix = np.frombuffer(bytes(found), np.int32)
    a, b, c, d = (int(matrix[k]) for k in (0, 1, 3, 4))
    if a == d == 0 and b and c:
        return ((_TRANSPOSE, f"dir={(c < 0) + 2 * (b < 0)}"),)
    if b or c:
        return ()
    if d < 0:  # after vflip the rows go backwards in memory, which PyAV can't read: the other filter makes new ones
        return (("vflip", ""), ("hflip" if a < 0 else "copy", ""))
    return (("hflip", ""),) if a < 0 else ()


def _graph(like: VideoFrame, filters: tuple[tuple[str, str], ...]) -> Graph:
    graph = Graph()
    buffer = graph.add_buffer(
        width=like.width, height=like.height, format=like.format, time_base=like.time_base or Fraction(1, 1000)
    )
    nodes = [graph.add(name, arguments or None) for name, arguments in filters]
    graph.link_nodes(buffer, *nodes, graph.add("buffersink")).configure()
    return graph
