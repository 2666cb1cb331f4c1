"""What libav hangs on a picture beside its pixels."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from av.error import BlockingIOError as NothingYet
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

_UNKNOWN = "UNKNOWN_"
"""What PyAV 19 calls kinds that it does not know, and their number."""

_PROFILE = Type.ICC_PROFILE.value


def side_data(picture: VideoFrame) -> Any:
    """All that PyAV has a name for, by name, but for colour profiles.

    PyAV gives nothing where there is a kind that it does not know, such as EXIF; and whatever has a name of its own, as
    profiles do, it frees a second time, which ends the process. So they are taken off before it looks.
    """
    return named_and_numbered(picture)[0]


def named_and_numbered(picture: VideoFrame) -> tuple[Any, set[int]]:
    """The same, and libav's numbers of the kinds that PyAV has no name for."""
    if picture.sw_format is None:  # on a GPU there are neither
        (picture,) = _filtered(picture, f"mode=delete:type={_PROFILE}")
    numbers: set[int] = set()
    while True:
        try:
            found = picture.side_data
            numbers |= {int(kind.removeprefix(_UNKNOWN)) for kind, _ in each(found) if kind.startswith(_UNKNOWN)}
            return found, numbers
        except ValueError as err:
            unknown = re.match(r"(\d+) is not a valid Type", str(err))
            if unknown is None:
                raise
            numbers.add(int(unknown[1]))
            (picture,) = _filtered(picture, f"mode=delete:type={unknown[1]}")


def each(found: Any) -> Iterator[tuple[str, bytes]]:
    """Name and contents of each kind; PyAV 18 gives these where it is iterated over, 19 keys."""
    for index in range(len(found)):
        yield found[index].type.name, bytes(found[index])


def has_profile(picture: VideoFrame) -> bool:
    """Whether there is an ICC profile."""
    return picture.sw_format is None and bool(_filtered(picture, f"mode=select:type={_PROFILE}"))


def _filtered(picture: VideoFrame, what: str) -> list[VideoFrame]:
    """What libavfilter's ``sidedata`` lets through of it."""
    graph = Graph()
    source = graph.add_buffer(
        width=picture.width, height=picture.height, format=picture.format, time_base=Fraction(1, 1000)
    )
    graph.link_nodes(source, graph.add("sidedata", what), graph.add("buffersink")).configure()
    graph.vpush(picture)
    try:
        return [graph.vpull()]
    except NothingYet:
        return []
