"""Reads the side data that libav attaches to frames."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from av.error import BlockingIOError as NothingYet
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

_UNKNOWN = "UNKNOWN_"
"""Prefix of PyAV 19's names for types that it does not know; libav's number follows."""

_PROFILE = Type.ICC_PROFILE.value


def side_data(picture: VideoFrame) -> Any:
    """Return the side data of types that PyAV knows, by name, without ICC profiles.

    PyAV fails if there is a type that it does not know, such as EXIF; and it frees side data with metadata of its own,
    as profiles have, a second time, which crashes the process. So both are removed before PyAV reads them.
    """
    return named_and_numbered(picture)[0]


def named_and_numbered(picture: VideoFrame) -> tuple[Any, set[int]]:
    """Return the same, and libav's numbers of the types that PyAV has no name for."""
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
            if picture.sw_format is not None:  # the filter can't take it, so that the others can't be read either
                return {}, numbers
            (picture,) = _filtered(picture, f"mode=delete:type={unknown[1]}")


def each(found: Any) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of each type. Indexing works with PyAV 18, which iterates over values, and 19 (keys)."""
    for index in range(len(found)):
        yield found[index].type.name, bytes(found[index])


def has_profile(picture: VideoFrame) -> bool:
    """Whether a picture has an ICC profile."""
    return picture.sw_format is None and bool(_filtered(picture, f"mode=select:type={_PROFILE}"))


def _filtered(picture: VideoFrame, what: str) -> list[VideoFrame]:
    """Filter a picture with libavfilter's ``sidedata``; empty if it drops the picture."""
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
