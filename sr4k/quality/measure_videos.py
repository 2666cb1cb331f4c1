"""Two videos compared frame by frame, with FFmpeg's own measures, as they are shown."""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.filter
import numpy as np
from av.codec.context import Flags
from av.video.frame import VideoFrame

from sr4k.common.plotting import new_figure
from sr4k.errors import InputError
from sr4k.media.crop import Crop
from sr4k.media.decoded_picture import positive
from sr4k.media.headers import chroma_location, margins
from sr4k.media.look import Layout, Look
from sr4k.media.planes import rows_of
from sr4k.media.reading.open_file import open_input, packets_of, video_stream
from sr4k.media.reading.untrusted_png import plain_head, plain_packet
from sr4k.media.scaling import Scaler
from sr4k.models.colour import Colour
from sr4k.quality.vmaf import MODELS, Vmaf, lack

MEASURES = {"PSNR": "dB", "PSNR Cb": "dB", "PSNR Cr": "dB", "SSIM": "", "XPSNR": "dB"} | dict.fromkeys(MODELS, "")
"""Their units. All but two are the luma's: SSIM is 0..1, XPSNR is weighted by what an eye sees, VMAF is 0..100."""

_NOTED = {
    "psnr": {"PSNR": "lavfi.psnr.psnr.y", "PSNR Cb": "lavfi.psnr.psnr.u", "PSNR Cr": "lavfi.psnr.psnr.v"},
    "ssim": {"SSIM": "lavfi.ssim.Y"},
    "xpsnr": {"XPSNR": "lavfi.xpsnr.xpsnr.y"},
}
"""By FFmpeg's filters: where they note them on a frame."""

_TICK = Fraction(1, 25)
"""FFmpeg pairs pictures by time: here, by number."""

_USUAL_RATE = Fraction(25)

_NAMES = {"bt709": "BT.709", "bt601": "BT.601", "bt2020": "BT.2020", "fcc": "FCC", "smpte240m": "SMPTE 240M"}


@dataclass(frozen=True, slots=True)
class Course:
    """How a video compares with another.

    Attributes:
        frames: every frame's time in seconds, and its measures by name: those of `MEASURES` that there are here.
        size: width and height. ``bits``: at which they were compared.
        notes: what has to be known beside the figures, in words. ``lacking``: which measures there are not, and why.
    """

    frames: list[dict[str, float]]
    size: tuple[int, int] = (0, 0)
    bits: int = 8
    notes: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def measures(self) -> dict[str, str]:
        """What was measured, and its units."""
        return {name: unit for name, unit in MEASURES.items() if name in self.frames[0]}

    def mean(self) -> dict[str, float]:
        """Mean of each measure over the frames that differ at all."""
        values = {name: [frame[name] for frame in self.frames] for name in self.measures}
        return {
            name: float(np.mean([v for v in series if np.isfinite(v)] or [np.inf])) for name, series in values.items()
        }

    def worst(self) -> dict[str, dict[str, float]]:
        """Of each measure its least ``value``, and the ``frame``, from 0, and ``time``, in seconds, that has it."""
        found = {}
        for name in self.measures:
            number = min(range(len(self.frames)), key=lambda k: self.frames[k][name])
            frame = self.frames[number]
            found[name] = {"value": frame[name], "frame": number, "time": frame["time"]}
        return found


def compare_videos(video: Path, reference: Path) -> Course:
    """Compare frame k of the one with frame k of the other, as far as both go.

    They are compared as they are shown: where matrix or range differ, by tags or by what is assumed without them, the
    video is converted. Of two depths and two samplings of chroma the finer one is kept. Which measures there are
    not, of pictures this small or without libvmaf, is told.

    Raises:
        InputError: one can't be read, or their sizes differ.
        MachineError: libvmaf is there, but failed.
    """
    frames: list[dict[str, float]] = []
    gauge, notes = None, []
    with ExitStack() as held:
        for one, other in zip_longest(_pictures(video), _pictures(reference)):
            if one is None or other is None:
                longer = video if other is None else reference
                notes.append(f"{longer} goes on: only the first {len(frames)} frames are compared")
                break
            if gauge is None:
                _check_sizes(one.picture, other.picture, video, reference)
                gauge = _Gauge(one, other)
                held.callback(gauge.close)
                notes.extend(_differences(one, other, video, reference))
            frames.append({"time": float(one.picture.time or 0.0), **gauge.measure(one, other, len(frames))})
        if gauge is None or not frames:
            raise InputError(f"{video} or {reference} has no pictures.")
        for number, late in enumerate(gauge.late()):
            frames[number].update(late)
    return Course(frames, gauge.size, gauge.layout.bits, tuple(notes), gauge.lacking)


def plot_course(course: Course, target: Path) -> None:
    """The measures over time as a picture. Needs matplotlib."""
    measures = course.measures
    figure = new_figure(9, 2.2 * len(measures))
    times = [frame["time"] for frame in course.frames]
    for axes, (name, unit) in zip(figure.subplots(len(measures), 1, sharex=True), measures.items(), strict=True):
        axes.plot(times, [frame[name] for frame in course.frames], linewidth=1)
        axes.set(ylabel=f"{name} ({unit})" if unit else name)
        axes.grid(alpha=0.3)
    axes.set(xlabel="seconds")
    figure.savefig(target, dpi=100)


class _Seen(NamedTuple):
    """A picture, what holds it, how its planes are read, and how many of its kind there are a second."""

    picture: VideoFrame
    layout: Layout
    colour: Colour
    rate: Fraction


class _Gauge:
    """Both pictures in one form, and FFmpeg's measures of them."""

    def __init__(self, video: _Seen, reference: _Seen) -> None:
        self.size = reference.picture.width, reference.picture.height
        self._colour = reference.colour
        self.layout = _common(video, reference)
        self._scalers = Scaler(), Scaler()
        self._measures = {
            # XPSNR weighs by what its first input shows, which has to be the reference; its strides go wrong beyond
            # 8 bits but for planes without padding, so it gets luma alone
            name: _Measure(
                name, self.size, f"gray{self._depth}" if name == "xpsnr" else self.layout.name, reference.rate
            )
            for name in _NOTED
            if _is_large_enough(name, self.size)
        }
        why = lack(self.size)
        small = (f"no {name.upper()} of pictures this small" for name in _NOTED if name not in self._measures)
        self.lacking = (*small, *([] if why is None else [why]))
        self._vmaf = Vmaf(self.size, self.layout.name) if why is None else None

    def close(self) -> None:
        if self._vmaf is not None:
            self._vmaf.close()

    def measure(self, video: _Seen, reference: _Seen, number: int) -> dict[str, float]:
        one, other = (
            scaler(seen.picture, self.size, self.layout.name, seen.colour, self._colour)
            for scaler, seen in zip(self._scalers, (video, reference), strict=True)
        )
        values = {}
        for name, measure in self._measures.items():
            pair = (self._luma(other), self._luma(one)) if name == "xpsnr" else (one, other)
            values.update(measure(*pair, number))
        if self._vmaf is not None:
            self._vmaf.add(one, other)
        return {name: values[name] for name in MEASURES if name in values}

    def late(self) -> Iterator[dict[str, float]]:
        """What is known of every pair when all are in."""
        return iter(()) if self._vmaf is None else self._vmaf.scores()

    @property
    def _depth(self) -> str:
        return "10le" if self.layout.bits > 8 else ""

    def _luma(self, picture: VideoFrame) -> VideoFrame:
        rows = rows_of(picture.planes[0], "uint16" if self.layout.bits > 8 else "uint8")
        packed = np.ascontiguousarray(rows[: picture.height, : picture.width])
        return VideoFrame.from_numpy_buffer(packed, f"gray{self._depth}")


class _Measure:
    """One filter, with two pictures going in."""

    def __init__(self, kind: str, size: tuple[int, int], pixel_format: str, rate: Fraction) -> None:
        self._keys = _NOTED[kind]
        self._graph = graph = av.filter.Graph()
        about = f"video_size={size[0]}x{size[1]}:pix_fmt={pixel_format}:time_base={_TICK}:frame_rate={rate}"
        self._sources = [graph.add("buffer", about) for _ in range(2)]  # XPSNR weighs what is seen but briefly less
        measure, self._sink = graph.add(kind), graph.add("buffersink")
        for index, source in enumerate(self._sources):
            source.link_to(measure, 0, index)
        measure.link_to(self._sink)
        graph.configure()

    def __call__(self, first: VideoFrame, second: VideoFrame, number: int) -> dict[str, float]:
        for source, picture in zip(self._sources, (first, second), strict=True):
            picture.pts, picture.time_base = number, _TICK
            source.push(picture)
        measured: Any = self._sink.pull()
        self._fed = first, second  # the filter holds on to them, and not to the memory that they may lie in
        return {name: float(measured.metadata[key]) for name, key in self._keys.items()}


def _is_large_enough(kind: str, size: tuple[int, int]) -> bool:
    """Whether FFmpeg's filter measures it: SSIM sees blocks of 8x8, XPSNR crashes where its own come out as nothing."""
    if kind == "xpsnr":
        return 32 * math.sqrt(size[0] * size[1] / (3840 * 2160)) >= 0.5
    return kind != "ssim" or min(size) >= 8


def _common(video: _Seen, reference: _Seen) -> Layout:
    """What holds all of both; where colours have to be converted, fine enough not to be seen itself."""
    layouts = [seen.layout for seen in (video, reference)]
    chroma = {"420" if layout.chroma == "400" else layout.chroma for layout in layouts}
    deep = any(layout.bits > 8 for layout in layouts) or video.colour != reference.colour
    return Layout(10 if deep else 8, chroma.pop() if len(chroma) == 1 else "444")


def _check_sizes(one: VideoFrame, other: VideoFrame, video: Path, reference: Path) -> None:
    if (one.width, one.height) == (other.width, other.height):
        return
    size = f"{other.width}x{other.height}"
    raise InputError(
        f"{video} is {one.width}x{one.height}, {reference} {size}: compare equal sizes. --size {size} upscales to that "
        "of the reference; sr4k-stream --compare shows a source beside its result."
    )


def _differences(one: _Seen, other: _Seen, video: Path, reference: Path) -> Iterator[str]:
    mine, theirs = (
        f"{_NAMES[seen.colour.matrix]}, {'full' if seen.colour.full_range else 'limited'} range"
        for seen in (one, other)
    )
    if mine != theirs:
        yield f"{video} is shown as {mine}, {reference} as {theirs}: they are compared as shown"


def _pictures(path: Path) -> Iterator[_Seen]:
    with open_input(path) as container:
        stream = video_stream(container, path)
        context = stream.codec_context
        stream.thread_type = "AUTO"
        context.flags |= Flags.unaligned
        plain_head(stream)
        crop = Crop(margins(stream), (context.width, context.height))
        sited, rate = chroma_location(stream), positive(stream.guessed_rate, _USUAL_RATE)
        try:
            for packet in packets_of(container, stream):
                for picture in map(crop, stream.decode(plain_packet(packet, stream))):
                    look = Look.of(picture, codec=context.name)
                    colour = replace(look.colour, chroma_location=sited or look.colour.chroma_location)
                    yield _Seen(picture, look.layout, look.read_like(colour), rate)
        except (av.FFmpegError, OSError) as err:
            raise InputError(f"{path} can't be read to its end: {err.strerror}.") from err
