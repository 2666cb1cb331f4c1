"""Measure upscalers on compressed video, cell by cell: a clip, a downscaler, and an encoder with its CRF.

For a network in training, use clips of held-out pictures (never those of the benchmark):

    from rig.compressed import Cell, by_luma, judge

    rows = list(judge({"name": make_frames}, {"mine": by_luma(function)}, [Cell("area", "libx264", 23)], frames=8))
    gain = rows[1]["PSNR"] - rows[0]["PSNR"]  # the first row of a cell is lanczos
"""

import hashlib
import itertools
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from sr4k import Job, load_preset
from sr4k.media.planes import rows_of
from sr4k.media.video import BT709, LIMITED_RANGE, ColourTags
from sr4k.media.writing.encoder import share_cpus, tag
from sr4k.models import zoo
from sr4k.quality.measure_videos import compare_videos

SCALERS = {"bicubic": Interpolation.BICUBIC, "area": Interpolation.AREA, "lanczos": Interpolation.LANCZOS}
CODECS = ("libx264", "libx265", "libsvtav1")
MEASURES = ("PSNR", "XPSNR", "VMAF", "VMAF-NEG")
LANCZOS = "lanczos"

_TAGS = ColourTags(BT709, LIMITED_RANGE, BT709, BT709)
LOSSLESS = {"qp": "0", "preset": "ultrafast"}
_STEP = 4
"""Width and height are cropped to multiples of this, so that they are even after halving."""

Clip = Callable[[], Iterable[av.VideoFrame]]
Luma = NDArray[np.uint8]
Upscaler = Callable[[Path, Path], None]
"""Reads a video and writes a lossless one of twice its width and height, with the same number of frames."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """How a clip is downscaled and compressed. ``crf`` is libx264's; libsvtav1 gets the same share of its range."""

    scaler: str
    codec: str
    crf: int

    def options(self) -> dict[str, str]:
        """Return the options of libav's encoder."""
        if self.codec == "libsvtav1":
            return {"crf": str(max(1, round(self.crf * 63 / 51))), "preset": "10"}  # libav takes 0 for unset
        quiet = {"x265-params": "log-level=none"} if self.codec == "libx265" else {}
        return {"crf": str(self.crf), "preset": "veryfast"} | quiet


def judge(
    clips: Mapping[str, Clip],
    upscalers: Mapping[str, Upscaler],
    cells: Iterable[Cell],
    *,
    frames: int,
    done: Callable[[str, Cell, str], bool] = lambda *_: False,
) -> Iterator[Row]:
    """Measure every upscaler in every cell of every clip; yield each row as soon as it is measured.

    A row holds means over the frames of the measures against the clip.

    Args:
        clips: By name, functions that return the frames of the ground truth, YUV 4:2:0, 8 bits, limited range.
        upscalers: By name; swscale's lanczos is always measured, first.
        cells: How the clips are downscaled and compressed.
        frames: Number of frames from the start of each clip.
        done: Whether the row of a clip, a cell and an upscaler exists already.
    """
    every = {LANCZOS: lanczos} | dict(upscalers)
    with tempfile.TemporaryDirectory() as folder:
        truth, small, large = (Path(folder) / f"{name}.mkv" for name in ("truth", "small", "large"))
        for cell, (clip, source) in itertools.product(cells, clips.items()):
            left = [name for name in every if not done(clip, cell, name)]
            if not left:
                continue
            write(truth, (cut(frame) for frame in itertools.islice(source(), frames)), "libx264", LOSSLESS)
            less = (resized(frame, 0.5, SCALERS[cell.scaler]) for frame in pictures(truth))
            write(small, less, cell.codec, cell.options())
            for name in left:
                every[name](small, large)
                found = compare_videos(large, truth)
                about = {"clip": clip, "scaler": cell.scaler, "codec": cell.codec, "crf": cell.crf, "upscaler": name}
                yield about | {"frames": len(found.frames)} | found.mean()


def deployed(model: str, weights: Path | None = None) -> Upscaler:
    """Return the pipeline as a user runs it, but with a lossless encoder.

    It runs in int8 on CPUs with fast int8 instructions.

    Args:
        model: Its name, with a sharpness such as ``luma:100``, or with a quality that the source is taken to have such
            as ``luma@40``, or as it is.
        weights: Folder of weights; default: those that ship.
    """
    named, _, quality = model.partition("@")
    name, _, sharpness = named.partition(":")
    engine = {"model": name, "weights": weights, "sharpness": int(sharpness or 0)}
    engine["source_quality"] = int(quality) if quality else "auto"
    preset = load_preset("file").updated("engine", **engine).updated("graph", mode="threads")
    preset = preset.updated("encode", preset="ultrafast", crf=0)

    def upscale(small: Path, large: Path) -> None:
        Job(small, large, preset=preset, overwrite=True).run()

    return upscale


def by_luma(network: Callable[[Luma], Luma]) -> Upscaler:
    """Return an upscaler of ``network`` for luma, (H, W) to (2H, 2W), uint8, limited range, and lanczos for chroma."""

    def upscale(small: Path, large: Path) -> None:
        write(large, map(enlarged, pictures(small)), "libx264", LOSSLESS)

    def enlarged(frame: av.VideoFrame) -> av.VideoFrame:
        result = resized(frame, 2, Interpolation.LANCZOS)
        luma = np.ascontiguousarray(rows_of(frame.planes[0])[: frame.height, : frame.width])
        rows_of(result.planes[0])[: result.height, : result.width] = network(luma)
        return result

    return upscale


def lanczos(small: Path, large: Path) -> None:
    """Upscale a video with swscale's lanczos."""
    write(large, (resized(frame, 2, Interpolation.LANCZOS) for frame in pictures(small)), "libx264", LOSSLESS)


@cache  # for each of hundreds of rows
def digest(model: str) -> str:
    """Return a digest of the weights that ship and their bounds, 12 hexadecimal digits: rows of others don't count.

    ``model`` is what `deployed` takes.
    """
    folder, name = Path(zoo.__file__).parent / "weights", re.split("[:@]", model)[0]
    looks = (False, True) if ":" in model else (False,)
    files = (
        path for grade in zoo.grades(name) for crisp in looks for path in zoo.files_of(folder, name, grade, crisp=crisp)
    )
    content = b"".join(path.read_bytes() for path in sorted(files) if path.exists())
    content += repr(zoo.HALO).encode() if ":" in model else b""
    return hashlib.sha256(content).hexdigest()[:12]


def pictures(clip: Path) -> Iterator[av.VideoFrame]:
    """Yield the frames of a clip as yuv420p."""
    with av.open(str(clip)) as source:
        for frame in source.decode(video=0):
            yield frame.reformat(format="yuv420p")


def halved(clip: Path) -> Iterator[av.VideoFrame]:
    """Yield the frames of a clip at half size, by area averaging, which hides compression artifacts."""
    return (resized(frame, 0.5, Interpolation.AREA) for frame in pictures(clip))


def resized(frame: av.VideoFrame, factor: float, how: Interpolation) -> av.VideoFrame:
    """Return the frame, resized by swscale; sides are rounded to even numbers."""
    width, height = (2 * round(side * factor / 2) for side in (frame.width, frame.height))
    return frame.reformat(width, height, interpolation=how)


def cut(frame: av.VideoFrame) -> av.VideoFrame:
    """Return the upper left part of the frame whose sides are multiples of 4."""
    width, height = (side // _STEP * _STEP for side in (frame.width, frame.height))
    if (width, height) == (frame.width, frame.height):
        return frame
    less = av.VideoFrame(width, height, "yuv420p")
    for source, target in zip(frame.planes, less.planes, strict=True):
        rows_of(target)[: target.height, : target.width] = rows_of(source)[: target.height, : target.width]
    return less


def write(target: Path, frames: Iterable[av.VideoFrame], codec: str, options: dict[str, str]) -> None:
    """Write the frames as a video of 25 frames per second."""
    with av.open(str(target), "w") as out:
        stream = out.add_stream(codec, rate=25, options=options)
        for number, frame in enumerate(frames):
            if number == 0:
                tag(stream.codec_context, _TAGS)  # halved, it would be taken for BT.601
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
            plain = av.VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p")
            tag(plain, _TAGS)
            plain.pts, plain.time_base = number, 1 / stream.average_rate
            out.mux(stream.encode(plain))
            if codec == "libsvtav1":
                share_cpus()
        out.mux(stream.encode(None))
