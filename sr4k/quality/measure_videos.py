"""Compares two videos frame by frame with FFmpeg's measures, in one matrix and range."""

import math
from collections.abc import Iterable, Iterator
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

from sr4k.common.plotting import new_figure, write_figure
from sr4k.errors import InputError
from sr4k.media.crop import Crop
from sr4k.media.decoded_picture import positive, shown_tags
from sr4k.media.headers import chroma_location, margins
from sr4k.media.look import DecodedPicture, Layout, Look
from sr4k.media.planes import rows_of
from sr4k.media.reading.open_file import open_input, packets_of, video_stream
from sr4k.media.reading.untrusted_png import plain_head, plain_packet
from sr4k.media.scaling import Scaler
from sr4k.media.transparency import over_black
from sr4k.models.colour import Colour
from sr4k.quality.colour_notes import Tagged, colour_notes
from sr4k.quality.vmaf import MODELS, Vmaf, lack

MEASURES = {"PSNR": "dB", "PSNR Cb": "dB", "PSNR Cr": "dB", "SSIM": "", "XPSNR": "dB"} | dict.fromkeys(MODELS, "")
"""Measures and their units. All are of luma, except the two of chroma. SSIM is 0 to 1, VMAF 0 to 100; XPSNR is a PSNR
weighted by visibility."""

_METADATA_KEYS = {
    "psnr": {"PSNR": "lavfi.psnr.psnr.y", "PSNR Cb": "lavfi.psnr.psnr.u", "PSNR Cr": "lavfi.psnr.psnr.v"},
    "ssim": {"SSIM": "lavfi.ssim.Y"},
    "xpsnr": {"XPSNR": "lavfi.xpsnr.xpsnr.y"},
}
"""Frame metadata in which each FFmpeg filter returns its measures."""

_TICK = Fraction(1, 25)
"""FFmpeg's filters pair frames by time; here, frame numbers serve as times."""

_USUAL_RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class Course:
    """Measures of a video against its reference, frame by frame.

    Attributes:
        frames: for each frame, ``time`` in seconds and its measures by their names in `MEASURES`.
        size: width and height in pixels.
        bits: bit depth of the comparison.
        notes: remarks that a reader of the figures needs, one sentence each.
        lacking: measures that could not be computed, each with the reason.
    """

    frames: list[dict[str, float]]
    size: tuple[int, int] = (0, 0)
    bits: int = 8
    notes: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def measures(self) -> dict[str, str]:
        """Measures that were computed, with their units."""
        return {name: unit for name, unit in MEASURES.items() if name in self.frames[0]}

    def mean(self) -> dict[str, float]:
        """Return the mean of each measure over all frames where it is finite (PSNR of equal frames is not)."""
        values = {name: [frame[name] for frame in self.frames] for name in self.measures}
        return {
            name: float(np.mean([v for v in series if np.isfinite(v)] or [np.inf])) for name, series in values.items()
        }

    def worst(self) -> dict[str, dict[str, float]]:
        """Return the lowest ``value`` of each measure, with its ``frame`` (from 0) and ``time`` in seconds."""
        found = {}
        for name in self.measures:
            number = min(range(len(self.frames)), key=lambda k: self.frames[k][name])
            frame = self.frames[number]
            found[name] = {"value": frame[name], "frame": number, "time": frame["time"]}
        return found


def compare_videos(video: Path, reference: Path, measures: Iterable[str] = MEASURES) -> Course:
    """Compare frame k of one video with frame k of the other, up to the end of the shorter one.

    Where matrix coefficients or range differ, by their tags or by the defaults for missing ones, the video is converted
    to those of the reference. Transfer characteristics and primaries are not converted, and transparency is ignored:
    `Course.notes` says so where it matters. The greater bit depth and the finer chroma subsampling of the two are used.

    Args:
        video: the video to measure.
        reference: the video it should be like.
        measures: names from `MEASURES` to compute. `Course.lacking` says which of them could not be, and why: the
            frames are too small, or libvmaf is not installed.

    Raises:
        InputError: a file can't be read, or the sizes differ.
        MachineError: libvmaf is installed, but failed.
    """
    wanted = frozenset(measures)
    frames: list[dict[str, float]] = []
    gauge, notes = None, []
    with ExitStack() as held:
        for one, other in zip_longest(_pictures(video), _pictures(reference)):
            if one is None or other is None:
                longer = video if other is None else reference
                notes.append(f"{longer} is longer: only the first {len(frames)} frames are compared")
                break
            if gauge is None:
                _check_sizes(one.picture, other.picture, video, reference)
                gauge = _Gauge(one, other, wanted)
                held.callback(gauge.close)
                notes.extend(_differences(one, other, video, reference))
            notes.extend(note for note in _transparency(one, other, video, reference) if note not in notes)
            frames.append({"time": float(one.picture.time or 0.0), **gauge.measure(one, other, len(frames))})
        if gauge is None or not frames:
            raise InputError(f"{video} or {reference} has no frames.")
        for number, late in enumerate(gauge.late()):
            frames[number].update(late)
    return Course(frames, gauge.size, gauge.layout.bits, tuple(notes), gauge.lacking)


def plot_course(course: Course, target: Path) -> None:
    """Write a plot of the measures over time as a picture file.

    Raises:
        OptionError: matplotlib is not installed.
        OutputError: the file can't be written.
    """
    measures = course.measures
    figure = new_figure(9, 2.2 * len(measures))
    times = [frame["time"] for frame in course.frames]
    for axes, (name, unit) in zip(figure.subplots(len(measures), 1, sharex=True), measures.items(), strict=True):
        axes.plot(times, [frame[name] for frame in course.frames], linewidth=1)
        axes.set(ylabel=f"{name} ({unit})" if unit else name)
        axes.grid(alpha=0.3)
    axes.set(xlabel="seconds")
    write_figure(figure, target)


class _Shown(NamedTuple):
    """A decoded frame, how a player reads it, and the frame rate of its video.

    ``is_transparent`` says whether this frame or an earlier one is transparent in places.
    """

    picture: VideoFrame
    tagged: Tagged
    rate: Fraction
    is_transparent: bool

    @property
    def layout(self) -> Layout:
        return self.tagged.look.layout

    @property
    def colour(self) -> Colour:
        return self.tagged.colour


class _Gauge:
    """Brings both frames to one pixel format and measures them with FFmpeg's filters."""

    def __init__(self, video: _Shown, reference: _Shown, wanted: frozenset[str]) -> None:
        self.size = reference.picture.width, reference.picture.height
        self._colour = reference.colour
        self.layout = _common(video, reference)
        self._scalers = Scaler(), Scaler()
        self._wanted = wanted
        filters = [name for name, keys in _METADATA_KEYS.items() if not wanted.isdisjoint(keys)]
        self._measures = {
            # XPSNR weighs errors by the content of its first input, which must be the reference. Beyond 8 bits it
            # misreads the strides of padded planes, so it gets luma alone.
            name: _Measure(
                name, self.size, f"gray{self._depth}" if name == "xpsnr" else self.layout.name, reference.rate
            )
            for name in filters
            if _is_large_enough(name, self.size)
        }
        is_vmaf_wanted = not wanted.isdisjoint(MODELS)
        why = lack(self.size) if is_vmaf_wanted else None
        small = (f"no {name.upper()}: the frames are too small" for name in filters if name not in self._measures)
        self.lacking = (*small, *([] if why is None else [why]))
        self._vmaf = Vmaf(self.size, self.layout.name) if is_vmaf_wanted and why is None else None

    def close(self) -> None:
        if self._vmaf is not None:
            self._vmaf.close()

    def measure(self, video: _Shown, reference: _Shown, number: int) -> dict[str, float]:
        one, other = (
            scaler(shown.picture, self.size, self.layout.name, shown.colour, self._colour)
            for scaler, shown in zip(self._scalers, (video, reference), strict=True)
        )
        values = {}
        for name, measure in self._measures.items():
            pair = (self._luma(other), self._luma(one)) if name == "xpsnr" else (one, other)
            values.update(measure(*pair, number))
        if self._vmaf is not None:
            self._vmaf.add(one, other)
        return {name: values[name] for name in MEASURES if name in values and name in self._wanted}

    def late(self) -> Iterator[dict[str, float]]:
        """Yield each pair's measures that are computed once all pairs are in: VMAF."""
        scores = iter(()) if self._vmaf is None else self._vmaf.scores()
        return ({name: value for name, value in pair.items() if name in self._wanted} for pair in scores)

    @property
    def _depth(self) -> str:
        return "10le" if self.layout.bits > 8 else ""

    def _luma(self, picture: VideoFrame) -> VideoFrame:
        rows = rows_of(picture.planes[0], "uint16" if self.layout.bits > 8 else "uint8")
        packed = np.ascontiguousarray(rows[: picture.height, : picture.width])
        return VideoFrame.from_numpy_buffer(packed, f"gray{self._depth}")


class _Measure:
    """An FFmpeg filter that compares two frames."""

    def __init__(self, kind: str, size: tuple[int, int], pixel_format: str, rate: Fraction) -> None:
        self._keys = _METADATA_KEYS[kind]
        self._graph = graph = av.filter.Graph()
        about = f"video_size={size[0]}x{size[1]}:pix_fmt={pixel_format}:time_base={_TICK}:frame_rate={rate}"
        self._sources = [graph.add("buffer", about) for _ in range(2)]  # XPSNR depends on the frame rate
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
        self._fed = first, second  # the filter keeps these frames, but not the NumPy memory that they may refer to
        return {name: float(measured.metadata[key]) for name, key in self._keys.items()}


def _is_large_enough(kind: str, size: tuple[int, int]) -> bool:
    """Whether FFmpeg's filter can measure frames of this size.

    SSIM needs blocks of 8x8. XPSNR's block side is 32 * sqrt(w * h / (3840 * 2160)), and the filter crashes at 0.
    """
    if kind == "xpsnr":
        return 32 * math.sqrt(size[0] * size[1] / (3840 * 2160)) >= 0.5
    return kind != "ssim" or min(size) >= 8


def _common(video: _Shown, reference: _Shown) -> Layout:
    """Return a layout that holds both without loss, at 10 bits where colours are converted, for the rounding."""
    layouts = [shown.layout for shown in (video, reference)]
    chroma = {"420" if layout.chroma == "400" else layout.chroma for layout in layouts}
    deep = any(layout.bits > 8 for layout in layouts) or video.colour != reference.colour
    return Layout(10 if deep else 8, chroma.pop() if len(chroma) == 1 else "444")


def _check_sizes(one: VideoFrame, other: VideoFrame, video: Path, reference: Path) -> None:
    if (one.width, one.height) == (other.width, other.height):
        return
    mine, theirs = (f"{picture.width}x{picture.height}" for picture in (one, other))
    advice = f"sr4k-stream --size {theirs} upscales to that size; --compare shows a source beside its result."
    if one.width * one.height > other.width * other.height:
        advice = (
            f"The reference comes second, and {reference} is the smaller one: if {video} is the reference, upscale the "
            f"other with sr4k-stream --size {mine}, and name the result first."
        )
    raise InputError(f"{video} is {mine} and {reference} is {theirs}: only equal sizes can be compared. {advice}")


def _differences(one: _Shown, other: _Shown, video: Path, reference: Path) -> Iterator[str]:
    yield from colour_notes(one.tagged, other.tagged, (str(video), str(reference)))
    mine, theirs = (f"{float(shown.rate):.4g}" for shown in (one, other))
    if mine != theirs:
        yield f"the frame rates differ, {mine} and {theirs}: frames are paired by number, whatever their times"


def _transparency(one: _Shown, other: _Shown, video: Path, reference: Path) -> Iterator[str]:
    for shown, path in ((one, video), (other, reference)):
        if shown.is_transparent:
            yield f"{path} is transparent in places: its colours are compared as if it were opaque"


def _pictures(path: Path) -> Iterator[_Shown]:
    with open_input(path) as container:
        stream = video_stream(container, path)
        context = stream.codec_context
        stream.thread_type = "AUTO"
        context.flags |= Flags.unaligned
        plain_head(stream)
        crop = Crop(margins(stream), (context.width, context.height))
        sited, rate = chroma_location(stream), positive(stream.guessed_rate, _USUAL_RATE)
        is_transparent = False
        try:
            for packet in packets_of(container, stream):
                for picture in map(crop, stream.decode(plain_packet(packet, stream))):
                    look = Look.of(picture, codec=context.name)
                    colour = replace(look.colour, chroma_location=sited or look.colour.chroma_location)
                    decoded, read = DecodedPicture(picture, look), look.read_like(colour)
                    tagged = Tagged(look, read, shown_tags(decoded, read, stream))
                    is_transparent = is_transparent or (look.may_be_transparent and over_black(decoded) is not None)
                    yield _Shown(picture, tagged, rate, is_transparent)
        except (av.FFmpegError, OSError) as err:
            raise InputError(f"{path} can't be read to its end: {err.strerror}.") from err
