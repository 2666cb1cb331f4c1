"""Converts audio of any sample format, rate and layout, which may change midway, to one of each."""

from collections.abc import Iterator
from fractions import Fraction

import av
from av.audio.frame import AudioFrame
from av.filter import Graph

from sr4k.media.channel_layouts import Speakers, places, sorted_names, spelled

_Form = tuple[str, int, str, Fraction | None]


class Mixer:
    """Converts frames to interleaved samples. Each channel keeps its role where the target layout has a place for it.

    Args:
        declared: the channels that the header declares, for frames that do not declare theirs.
        layout: the target layout, by libav's name.
        rate: the target rate, in samples a second.
        form: the target sample format, by libav's name, such as ``flt`` or ``s16``.
    """

    def __init__(self, declared: Speakers, layout: str, rate: int, form: str = "flt") -> None:
        self._declared, self._layout, self._rate, self._target_form = declared, layout, rate, form
        self._form: _Form | None = None
        self._graph: Graph | None = None

    def check(self, form: str, rate: int) -> None:
        """Check that samples of this format and rate, with the channels that the header declares, can be converted.

        Raises:
            ValueError: libav can't convert them.
        """
        self._graph_of(form, rate, self._declared, None, spelled(self._declared))

    def mixed(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """Convert a frame and yield the frames that are ready.

        Raises:
            ValueError: libav can't convert these channels to the target layout.
        """
        form = (frame.format.name, frame.sample_rate, frame.layout.name, frame.time_base)
        if form != self._form:
            yield from self.drained()
            came = Speakers.of_frame(frame)
            speakers = self._declared if came.names is None and came.number == self._declared.number else came
            self._graph = self._graph_of(frame.format.name, frame.sample_rate, speakers, frame.time_base, spelled(came))
            self._form = form
        assert self._graph is not None
        self._graph.push(frame)
        yield from _pulled(self._graph)

    def drained(self) -> Iterator[AudioFrame]:
        """Yield the frames that are still buffered; call at the end."""
        if self._graph is not None:
            self._graph.push(None)
            yield from _pulled(self._graph)
        self._form = self._graph = None

    def _graph_of(self, form: str, rate: int, speakers: Speakers, time_base: Fraction | None, layout: str) -> Graph:
        try:
            named = speakers.named()
            graph = Graph()
            source = graph.add(
                "abuffer",
                sample_fmt=form,
                sample_rate=str(rate),
                channel_layout=layout,
                time_base=str(time_base or Fraction(1, rate)),
            )
            made = graph.add(
                "aformat", sample_fmts=self._target_form, sample_rates=str(self._rate), channel_layouts=self._layout
            )
            graph.link_nodes(source, graph.add("pan", self._placing(named)), made, graph.add("abuffersink")).configure()
        except av.error.FFmpegError as err:
            raise ValueError from err
        return graph

    def _placing(self, speakers: Speakers) -> str:
        """Arguments of libavfilter's ``pan``: a place for each channel, or, if some must be mixed, their own layout.

        In the latter case libav's ``aformat`` mixes all channels.
        """
        found = places(speakers, self._layout)
        assert speakers.names is not None
        if found is not None:
            return "|".join([self._layout, *(f"{place}={what}" for place, what in found.items())])
        names = sorted_names(speakers)
        return "|".join(["+".join(names), *(f"{name}=c{speakers.names.index(name)}" for name in names)])


def _pulled(graph: Graph) -> Iterator[AudioFrame]:
    while True:
        try:
            frame = graph.pull()
        except (EOFError, BlockingIOError):
            return
        assert isinstance(frame, AudioFrame)
        yield frame
