"""Interlaced pictures to whole ones, by libavfilter's bwdif. Progressive ones pass as they are."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import groupby

import av
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.media.options import Deinterlace

_TOP_FIRST, _BOTTOM_FIRST = {2, 5}, {3, 4}
"""Field orders of a header (libav's numbers), by the field that is shown first."""

_FIELDS_APART = {"hevc"}
"""Decoders whose interlaced pictures are single fields, half as high: there is nothing in them to take apart."""

_PASSES = {"png", "apng"}
"""Codecs that call pictures interlaced whose pixels come in several passes (Adam7): they are whole, without fields."""

_MADE = {1: "each gives one", 2: "each gives two"}


def has_fields(picture: VideoFrame, stream: VideoStream) -> bool:
    """Whether a decoder says that a picture is made of two fields."""
    return bool(picture.interlaced_frame) and stream.codec_context.codec.canonical_name not in _PASSES


class Deinterlacer:
    """The pictures of one stream, deinterlaced.

    Until the first interlaced picture nothing is set up and nothing waits; from there on each picture waits for the
    next one, whose fields it needs.

    Args:
        stream: what they are decoded from.
        say: takes a line for the log, in words.
        mode: ``auto``: one picture of each; ``double``: one of each field; ``off``: interlaced ones are only counted.
    """

    def __init__(self, stream: VideoStream, say: Callable[[str], None], mode: Deinterlace) -> None:
        self._stream, self._say, self._mode = stream, say, mode
        self._refused: object = None  # what pictures are like that stay as they are
        self._before: VideoFrame | None = None
        self._fields: _Fields | None = None
        self.ticks = 2 if mode == "double" else 1  # in one of the stream's
        self.found = 0  # interlaced pictures

    @property
    def expected(self) -> bool:
        """Whether there have been interlaced pictures, or the header says that there may be."""
        return self.found > 0 or self._stream.codec_context.field_order in _TOP_FIRST | _BOTTOM_FIRST

    @property
    def most(self) -> int:
        """Pictures that one gives."""
        return self.ticks if self.expected else 1

    def pictures(self, decoded: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        """All of them, with pts and durations in ticks, of which the stream's have one, or with ``double`` two."""
        for picture in decoded:
            yield from self.through(picture)
        yield from self.finished()

    def through(self, picture: VideoFrame) -> Iterator[VideoFrame]:
        """Take the next one, and give what is ready."""
        interlaced = self._is_interlaced(picture)
        self.found += interlaced
        if self._fields is not None and self._fields.shape != _shape(picture):
            yield from self._fields.finished()
            self._fields = self._before = None
        if self._fields is None and interlaced and self._mode != "off" and self._refused != _shape(picture):
            self._fields = self._taken_apart(picture, self._before)
        if self._fields is None:
            self._before = picture
            yield _timed(picture, picture.pts, picture.duration, self.ticks)
        else:
            yield from self._fields.through(picture)

    def finished(self) -> Iterator[VideoFrame]:
        """What waits for a next one."""
        if self._fields is not None:
            yield from self._fields.finished()

    def _is_interlaced(self, picture: VideoFrame) -> bool:
        return has_fields(picture, self._stream) or self._parity() is not None

    def _parity(self) -> str | None:
        """What all pictures are, where the header has the last word: not every decoder of single pictures knows."""
        context = self._stream.codec_context
        if not context.codec.intra_only:
            return None
        return "tff" if context.field_order in _TOP_FIRST else "bff" if context.field_order in _BOTTOM_FIRST else None

    def _taken_apart(self, picture: VideoFrame, before: VideoFrame | None) -> "_Fields | None":
        """For pictures like this one; none where they have to stay as they are."""
        if self._stream.codec_context.name in _FIELDS_APART:
            trouble = "fields are pictures by themselves; they are upscaled as they are"
        elif picture.sw_format is not None:
            trouble = "interlaced pictures on a GPU stay as they are"
        else:
            try:
                fields = _Fields(picture, self.ticks, self._parity())
            except av.error.FFmpegError:
                trouble = f"{picture.width}x{picture.height} is too small to be deinterlaced"
            else:
                self._say(f"interlaced pictures are deinterlaced, {_MADE[self.ticks]}")
                if before is not None and _shape(before) == fields.shape:
                    fields.begin_after(before)
                return fields
        self._refused = _shape(picture)
        if before is not None or picture.sw_format is None:  # else it is the first, and will be decoded elsewhere
            self._say(trouble)
        return None


class _Fields:
    """The filter for pictures of one shape, from the first to the last. It knows them by number: times stay exact."""

    def __init__(self, like: VideoFrame, ticks: int, parity: str | None) -> None:
        self.shape = _shape(like)
        self._ticks = ticks
        self._next = 0
        self._times: dict[int, tuple[int | None, int]] = {}  # pts and duration of those that it still has
        graph = self._graph = Graph()
        nodes = [graph.add_buffer(width=like.width, height=like.height, format=like.format, time_base=Fraction(1))]
        if parity is not None:
            nodes.append(graph.add("setfield", parity))
        nodes.append(graph.add("bwdif", f"mode={'send_field' if ticks == 2 else 'send_frame'}:deint=interlaced"))
        graph.link_nodes(*nodes, graph.add("buffersink")).configure()

    def begin_after(self, picture: VideoFrame) -> None:
        """Let the first see this one, which has gone its way already."""
        self._push(picture, -1)

    def through(self, picture: VideoFrame) -> Iterator[VideoFrame]:
        """Put one in, and take what has become of the one before."""
        self._times[self._next] = picture.pts, picture.duration or 0
        self._push(picture, self._next)
        self._next += 1
        yield from self._made()

    def finished(self) -> Iterator[VideoFrame]:
        """What is left."""
        self._graph.vpush(None)
        yield from self._made()

    def _push(self, picture: VideoFrame, number: int) -> None:
        picture.pts, picture.time_base = number, Fraction(1)
        self._graph.vpush(picture)

    def _made(self) -> Iterator[VideoFrame]:
        for number, group in groupby(self._pulled(), key=lambda picture: (picture.pts or 0) // 2):
            made = list(group)
            if number in self._times:
                yield from self._whole(made[0], number) if len(made) == 1 else self._halves(made, number)
                self._times.pop(number - 1, None)

    def _pulled(self) -> Iterator[VideoFrame]:
        """What the filter has ready; it counts in halves of a number."""
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return

    def _whole(self, picture: VideoFrame, number: int) -> Iterator[VideoFrame]:
        yield _timed(picture, *self._times[number], self._ticks)

    def _halves(self, made: list[VideoFrame], number: int) -> Iterator[VideoFrame]:
        """Of two fields the second is halfway to the next picture, the last as far as the one before it."""
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
