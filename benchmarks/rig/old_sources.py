"""Old sources, made of clean video by filters of libavfilter and encoders of those years.

The filters are others than those that damage the clips of training (`sr4k.models.training.old_sources`).
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.filter

from rig.compressed import pictures, write

VHS = {"noise": "c0s=8:c0f=t", "gblur": "sigma=0.75:sigmaV=0.01:planes=1", "unsharp": "lx=5:ly=3:la=0.6"}
"""Noise, about 240 lines of horizontal detail, and a player's sharpening, all of luma: libavfilter's names and options.

The noise then has a standard deviation of 4 levels."""

Codec = tuple[str, Mapping[str, str]]
"""libav's name of an encoder, and its options."""


@dataclass(frozen=True, slots=True)
class OldSource:
    """How a clip is damaged: by filters, then by one encoder after another."""

    encoders: tuple[Codec, ...]
    filters: Mapping[str, str]

    def make(self, target: Path, frames: Iterable[av.VideoFrame]) -> None:
        """Write the damaged clip, YUV 4:2:0."""
        shown = filtered(frames, self.filters)
        with tempfile.TemporaryDirectory() as folder:
            for number, (codec, options) in enumerate(self.encoders[:-1]):
                earlier = Path(folder) / f"{number}.mkv"
                write(earlier, shown, codec, dict(options))
                shown = pictures(earlier)
            codec, options = self.encoders[-1]
            write(target, shown, codec, dict(options))


def _mpeg2(quantiser: int) -> Codec:
    return "mpeg2video", {"qmin": str(quantiser), "qmax": str(quantiser), "bf": "2", "g": "12"}


def _divx(quantiser: int) -> Codec:
    return "mpeg4", {"qmin": str(quantiser), "qmax": str(quantiser), "g": "250"}


def _h264(crf: int) -> Codec:
    return "libx264", {"crf": str(crf), "preset": "veryfast"}


SOURCES = {
    "DVD (MPEG-2)": OldSource((_mpeg2(4),), {}),
    "MPEG-2, low bit rate": OldSource((_mpeg2(12),), {}),
    "DivX": OldSource((_divx(5),), {}),
    "DivX, low bit rate": OldSource((_divx(12),), {}),
    "DivX, then H.264": OldSource((_divx(8), _h264(23)), {}),
    "VHS on DVD": OldSource((_mpeg2(4),), VHS),
    "VHS, then H.264": OldSource((_h264(20),), VHS),
}
"""By name."""


def filtered(frames: Iterable[av.VideoFrame], filters: Mapping[str, str]) -> Iterator[av.VideoFrame]:
    """Yield frames after filters of libavfilter."""
    graph = None
    for number, frame in enumerate(frames):
        if not filters:
            yield frame
            continue
        graph = graph or _graph(frame, filters)
        frame.pts = number
        graph.vpush(frame)
        yield graph.vpull()


def _graph(frame: av.VideoFrame, filters: Mapping[str, str]) -> av.filter.Graph:
    graph = av.filter.Graph()
    width, height, of = frame.width, frame.height, frame.format
    source = graph.add_buffer(width=width, height=height, format=of, time_base=Fraction(1, 25))
    graph.link_nodes(source, *(graph.add(*each) for each in filters.items()), graph.add("buffersink")).configure()
    return graph
