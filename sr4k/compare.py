"""Two videos compared frame by frame, with FFmpeg's own measures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.filter
import numpy as np

from sr4k.errors import InputError
from sr4k.models.plotting import new_figure
from sr4k.stages.source import open_input

_MEASURES = {
    "PSNR": ("psnr", "lavfi.psnr.psnr.y"),
    "SSIM": ("ssim", "lavfi.ssim.Y"),
    "XPSNR": ("xpsnr", "lavfi.xpsnr.xpsnr.y"),
}
"""FFmpeg's filters and where they note the luma's value: dB, 0..1, and dB weighted by what an eye sees."""


@dataclass(frozen=True, slots=True)
class Course:
    """Every frame's time in seconds, and its measures by name."""

    frames: list[dict[str, float]]

    def mean(self) -> dict[str, float]:
        """Mean of each measure over the frames that differ at all."""
        values = {name: [frame[name] for frame in self.frames] for name in _MEASURES}
        return {
            name: float(np.mean([v for v in series if np.isfinite(v)] or [np.inf])) for name, series in values.items()
        }


def compare_videos(video: Path, reference: Path) -> Course:
    """Compare frame k of the one with frame k of the other, as far as both go.

    Raises:
        InputError: one can't be read, or their sizes differ.
    """
    frames: list[dict[str, float]] = []
    graph: _Graph | None = None
    for one, other in zip(_pictures(video), _pictures(reference), strict=False):
        if (one.width, one.height) != (other.width, other.height):
            raise InputError(
                f"{video} is {one.width}x{one.height}, {reference} {other.width}x{other.height}: compare equal sizes."
            )
        graph = graph or _Graph(one)
        frames.append({"time": float(one.time or 0.0), **graph.measure(one, other, len(frames))})
    if not frames:
        raise InputError(f"{video} or {reference} has no pictures.")
    return Course(frames)


def plot_course(course: Course, target: Path) -> None:
    """The measures over time as a picture. Needs matplotlib."""
    figure = new_figure(9, 2.2 * len(_MEASURES))
    times = [frame["time"] for frame in course.frames]
    for axes, name in zip(figure.subplots(len(_MEASURES), 1, sharex=True), _MEASURES, strict=True):
        axes.plot(times, [frame[name] for frame in course.frames], linewidth=1)
        axes.set(ylabel=name)
        axes.grid(alpha=0.3)
    axes.set(xlabel="seconds")
    figure.savefig(target, dpi=100)


class _Graph:
    """FFmpeg's measures, each with both pictures going in."""

    def __init__(self, like: av.VideoFrame) -> None:
        self._graphs = {}
        for name, (kind, key) in _MEASURES.items():
            graph = av.filter.Graph()
            sources = [
                graph.add_buffer(
                    width=like.width, height=like.height, format=av.VideoFormat("yuv420p"), time_base=like.time_base
                )
                for _ in range(2)
            ]
            measure, sink = graph.add(kind), graph.add("buffersink")
            for index, source in enumerate(sources):
                source.link_to(measure, 0, index)
            measure.link_to(sink)
            graph.configure()
            self._graphs[name] = (sources, sink, key, graph)

    def measure(self, one: av.VideoFrame, other: av.VideoFrame, number: int) -> dict[str, float]:
        values = {}
        for name, (sources, sink, key, _) in self._graphs.items():
            for source, frame in zip(sources, (one, other), strict=True):
                plain = frame.reformat(format="yuv420p")
                plain.pts = number
                source.push(plain)
            measured = sink.pull()
            assert isinstance(measured, av.VideoFrame)
            values[name] = float(measured.metadata[key])
        return values


def _pictures(path: Path) -> Iterator[av.VideoFrame]:
    try:
        with open_input(path) as container:
            if not container.streams.video:
                raise InputError(f"{path} has no video.")
            yield from container.decode(video=0)
    except InputError:
        raise
    except (av.FFmpegError, OSError) as err:
        raise InputError(f"{path} can't be read: {err}.") from err
