"""Deinterlaces pictures with libavfilter's bwdif; progressive pictures pass unchanged."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import groupby

import av
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.media.options import Deinterlace

_TOP_FIRST, _BOTTOM_FIRST = {2, 5}, {3, 4}
"""Field orders of a header (libav's ``AVFieldOrder``), by the field that is shown first."""

_FIELDS_APART = {"hevc"}
"""Decoders whose interlaced pictures are single fields of half the height, so that there is nothing to deinterlace."""

_PASSES = {"png", "apng"}
"""Codecs that call a picture interlaced when its pixels are coded in several passes (Adam7); it has no fields."""

_YIELD = {1: "one frame for each", 2: "two frames for each"}


def has_fields(picture: VideoFrame, stream: VideoStream) -> bool:
    """Whether the decoder marks a picture as made of two fields."""
    return bool(picture.interlaced_frame) and stream.codec_context.codec.canonical_name not in _PASSES


class Deinterlacer:
    """Deinterlaces the pictures of one stream.

    Until the first interlaced picture no filter is set up and nothing is delayed; from then on each picture waits for
    the next one, whose fields it needs.

    Attributes:
        ticks: output ticks in one tick of the stream: 2 with ``double``, else 1.

    Args:
        stream: the stream that the pictures are decoded from.
        say: logs a message.
        mode: ``auto``: one picture for each; ``double``: one for each field; ``off``: interlaced ones are only counted.
    """

    def __init__(self, stream: VideoStream, say: Callable[[str], None], mode: Deinterlace) -> None:
        self._stream, self._say, self._mode = stream, say, mode
        self._refused: object = None  # shape of pictures that can't be deinterlaced
        self._before: VideoFrame | None = None
        self._fields: _Fields | None = None
        self.ticks = 2 if mode == "double" else 1
        self._found = 0  # without those of the filter that runs
        self._is_there = False  # whether there was any

    @property
    def found(self) -> int:
        """Interlaced pictures so far, of those that were returned."""
        return self._found + (0 if self._fields is None else self._fields.found)

    @property
    def expected(self) -> bool:
        """Whether there have been interlaced pictures, or the header declares a field order."""
        return self._is_there or self._stream.codec_context.field_order in _TOP_FIRST | _BOTTOM_FIRST

    @property
    def most(self) -> int:
        """Maximum number of output pictures for one input picture."""
        return self.ticks if self.expected else 1

    def pictures(self, decoded: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        """Yield all pictures, deinterlaced, with pts and durations in output ticks (see `ticks`)."""
        for picture in decoded:
            yield from self.through(picture)
        yield from self.finished()

    def through(self, picture: VideoFrame) -> Iterator[VideoFrame]:
        """Process the next picture and yield those that are ready."""
        interlaced = self._is_interlaced(picture)
        self._is_there = self._is_there or interlaced
        if self._fields is not None and self._fields.shape != _shape(picture):
            yield from self._fields.finished()
            self._found += self._fields.found
            self._fields = self._before = None
        if self._fields is None and interlaced and self._mode != "off" and self._refused != _shape(picture):
            self._fields = self._filter_for(picture, self._before)
        if self._fields is None:
            self._before = picture
            self._found += interlaced
            yield _timed(picture, picture.pts, picture.duration, self.ticks)
        else:
            yield from self._fields.through(picture, interlaced=interlaced)

    def finished(self) -> Iterator[VideoFrame]:
        """Yield the pictures that still wait for a next one; call at the end."""
        if self._fields is not None:
            yield from self._fields.finished()

    def _is_interlaced(self, picture: VideoFrame) -> bool:
        return has_fields(picture, self._stream) or self._parity() is not None

    def _parity(self) -> str | None:
        """Field order of all pictures (``tff``, ``bff``) where the header decides: intra-only decoders may not know."""
        context = self._stream.codec_context
        if not context.codec.intra_only:
            return None
        return "tff" if context.field_order in _TOP_FIRST else "bff" if context.field_order in _BOTTOM_FIRST else None

    def _filter_for(self, picture: VideoFrame, before: VideoFrame | None) -> "_Fields | None":
        """Set up the filter for pictures like this one; ``None`` if they can't be deinterlaced."""
        if self._stream.codec_context.name in _FIELDS_APART:
            trouble = "fields are coded as separate frames; they are upscaled without deinterlacing"
        elif picture.sw_format is not None:
            trouble = "interlaced frames on a GPU are not deinterlaced"
        else:
            try:
                fields = _Fields(picture, self.ticks, self._parity())
            except av.error.FFmpegError:
                trouble = f"{picture.width}x{picture.height} is too small to be deinterlaced"
            else:
                self._say(f"interlaced frames are deinterlaced, {_YIELD[self.ticks]}")
                if before is not None and _shape(before) == fields.shape:
                    fields.begin_after(before)
                return fields
        self._refused = _shape(picture)
        if before is not None or picture.sw_format is None:  # else it is the first on a GPU: the CPU will decode it
            self._say(trouble)
        return None


class _Fields:
    """The filter for pictures of one shape. It sees their numbers instead of their pts, so that times stay exact.

    Attributes:
        shape: of the pictures.
        found: number of interlaced ones that were returned.
    """

    def __init__(self, like: VideoFrame, ticks: int, parity: str | None) -> None:
        self.shape = _shape(like)
        self._ticks = ticks
        self._next = self.found = 0
        self._interlaced: set[int] = set()  # numbers of those in the filter
        self._times: dict[int, tuple[int | None, int]] = {}  # pts and duration of the pictures in the filter
        graph = self._graph = Graph()
        nodes = [graph.add_buffer(width=like.width, height=like.height, format=like.format, time_base=Fraction(1))]
        if parity is not None:
            nodes.append(graph.add("setfield", parity))
        nodes.append(graph.add("bwdif", f"mode={'send_field' if ticks == 2 else 'send_frame'}:deint=interlaced"))
        graph.link_nodes(*nodes, graph.add("buffersink")).configure()

    def begin_after(self, picture: VideoFrame) -> None:
        """Give the filter the picture before its first, as a reference; it has been returned already."""
        self._push(picture, -1)

    def through(self, picture: VideoFrame, *, interlaced: bool) -> Iterator[VideoFrame]:
        """Push a picture, and yield the output for the one before."""
        self._times[self._next] = picture.pts, picture.duration or 0
        if interlaced:
            self._interlaced.add(self._next)
        self._push(picture, self._next)
        self._next += 1
        yield from self._ready()

    def finished(self) -> Iterator[VideoFrame]:
        """Yield the rest; call at the end."""
        self._graph.vpush(None)
        yield from self._ready()

    def _push(self, picture: VideoFrame, number: int) -> None:
        picture.pts, picture.time_base = number, Fraction(1)
        self._graph.vpush(picture)

    def _ready(self) -> Iterator[VideoFrame]:
        for number, group in groupby(self._pulled(), key=lambda picture: (picture.pts or 0) // 2):
            made = list(group)
            if number in self._times:
                self.found += number in self._interlaced
                self._interlaced.discard(number)
                yield from self._whole(made[0], number) if len(made) == 1 else self._halves(made, number)
                self._times.pop(number - 1, None)

    def _pulled(self) -> Iterator[VideoFrame]:
        """Yield the pictures that the filter has ready; their pts count in halves of a number."""
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return

    def _whole(self, picture: VideoFrame, number: int) -> Iterator[VideoFrame]:
        yield _timed(picture, *self._times[number], self._ticks)

    def _halves(self, made: list[VideoFrame], number: int) -> Iterator[VideoFrame]:
        """Place the second field halfway to the next picture; the last picture repeats the previous distance."""
        pts, duration = self._times[number]
        after, _ = self._times.get(number + 1, (None, 0))
        before, _ = self._times.get(number - 1, (None, 0))
        if pts is not None and after is not None and after > pts:
            half = after - pts
        elif pts is not None and before is not None and pts > before:
            half = pts - before
        else:
            half = duration
        for late, picture in enumerate(made):
            picture.pts = None if pts is None else 2 * pts + late * half
            picture.duration = half
            yield picture


def _timed(picture: VideoFrame, pts: int | None, duration: int | None, ticks: int) -> VideoFrame:
    picture.pts, picture.duration = None if pts is None else ticks * pts, ticks * (duration or 0)
    return picture


def _shape(picture: VideoFrame) -> tuple[int, int, str]:
    return picture.width, picture.height, picture.format.name
