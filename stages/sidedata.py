"""What libav hangs on a picture beside its pixels."""

import re
from fractions import Fraction
from typing import Any

from av.filter import Graph
from av.video.frame import VideoFrame


def side_data(picture: VideoFrame) -> Any:
    """All that PyAV has a name for. It gives none of them where there is one that it does not know, such as EXIF."""
    while True:
        try:
            return picture.side_data
        except ValueError as err:
            unknown = re.match(r"(\d+) is not a valid Type", str(err))
            if unknown is None:
                raise
            picture = _without(picture, unknown[1])


def _without(picture: VideoFrame, kind: str) -> VideoFrame:
    graph = Graph()
    source = graph.add_buffer(
        width=picture.width, height=picture.height, format=picture.format, time_base=Fraction(1, 1000)
    )
    drop = graph.add("sidedata", f"mode=delete:type={kind}")
    graph.link_nodes(source, drop, graph.add("buffersink")).configure()
    graph.vpush(picture)
    return graph.vpull()
