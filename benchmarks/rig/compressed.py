"""Upscaling of compressed video, judged cell by cell: a clip, how it was made smaller, and how it was compressed.

For a network in training, on clips of pictures that are kept back for validation (never those of the benchmark):

    from rig.compressed import Cell, by_luma, judge

    rows = list(judge({"name": make_frames}, {"mine": by_luma(function)}, [Cell("area", "libx264", 23)], frames=8))
    gain = rows[1]["PSNR"] - rows[0]["PSNR"]  # the first row of a cell is lanczos
"""

import hashlib
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
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
_LOSSLESS = {"qp": "0", "preset": "ultrafast"}
_STEP = 4
"""What sides are cut to multiples of: halved, they are even."""

Clip = Callable[[], Iterable[av.VideoFrame]]
Luma = NDArray[np.uint8]
Upscaler = Callable[[Path, Path], None]
"""Reads a video, and writes one of twice its size, of as many frames, without loss."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """How a clip was made smaller and compressed. ``crf`` is libx264's; libsvtav1 gets the same share of its range."""

    scaler: str
    codec: str
    crf: int

    def options(self) -> dict[str, str]:
        if self.codec == "libsvtav1":
            return {"crf": str(round(self.crf * 63 / 51)), "preset": "10"}
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
    """A row for each clip, cell and upscaler, as each is done: means over the frames, against the clip.

    Args:
        clips: by name; each gives its frames anew, YUV 4:2:0 of 8 bits in limited range, which are the truth.
        upscalers: by name; lanczos, swscale's, is judged in any case, and first.
        frames: how many of a clip are taken, from its start.
        done: of a clip, a cell and an upscaler, whether its row is there already.
    """
    everybody = {LANCZOS: lanczos} | dict(upscalers)
    with tempfile.TemporaryDirectory() as folder:
        truth, small, large = (Path(folder) / f"{name}.mkv" for name in ("truth", "small", "large"))
        for cell, (clip, source) in itertools.product(cells, clips.items()):
            left = [name for name in everybody if not done(clip, cell, name)]
            if not left:
                continue
            write(truth, (cut(frame) for frame in itertools.islice(source(), frames)), "libx264", _LOSSLESS)
            less = (resized(frame, 0.5, SCALERS[cell.scaler]) for frame in pictures(truth))
            write(small, less, cell.codec, cell.options())
            for name in left:
                everybody[name](small, large)
                found = compare_videos(large, truth)
                about = {"clip": clip, "scaler": cell.scaler, "codec": cell.codec, "crf": cell.crf, "upscaler": name}
                yield about | {"frames": len(found.frames)} | found.mean()


def deployed(model: str, weights: Path | None = None) -> Upscaler:
    """The pipeline as a user runs it, but for a lossless encoder; ``weights``: a folder of others than those that ship.

    Int8, where the CPU multiplies it well.
    """
    preset = load_preset("file").updated("engine", model=model, weights=weights).updated("graph", mode="threads")
    preset = preset.updated("encode", preset="ultrafast", options={"qp": "0"})

    def upscale(small: Path, large: Path) -> None:
        Job(small, large, preset=preset, overwrite=True).run()

    return upscale


def by_luma(network: Callable[[Luma], Luma]) -> Upscaler:
    """What a function makes of each picture's luma, (H, W) to (2H, 2W), uint8 in limited range; chroma is lanczos's."""

    def upscale(small: Path, large: Path) -> None:
        write(large, map(enlarged, pictures(small)), "libx264", _LOSSLESS)

    def enlarged(frame: av.VideoFrame) -> av.VideoFrame:
        result = resized(frame, 2, Interpolation.LANCZOS)
        luma = np.ascontiguousarray(rows_of(frame.planes[0])[: frame.height, : frame.width])
        rows_of(result.planes[0])[: result.height, : result.width] = network(luma)
        return result

    return upscale


def lanczos(small: Path, large: Path) -> None:
    """What swscale makes of it."""
    write(large, (resized(frame, 2, Interpolation.LANCZOS) for frame in pictures(small)), "libx264", _LOSSLESS)


def digest(model: str) -> str:
    """Of the weights that ship: what was measured with others is not the same."""
    folder = Path(zoo.__file__).parent / "weights"
    content = b"".join(path.read_bytes() for path in sorted(folder.glob(f"{model}.*safetensors")))
    return hashlib.sha256(content).hexdigest()[:12]


def pictures(clip: Path) -> Iterator[av.VideoFrame]:
    """Its frames as yuv420p."""
    with av.open(str(clip)) as source:
        for frame in source.decode(video=0):
            yield frame.reformat(format="yuv420p")


def halved(clip: Path) -> Iterator[av.VideoFrame]:
    """By area averaging, which hides what a codec left there."""
    return (resized(frame, 0.5, Interpolation.AREA) for frame in pictures(clip))


def resized(frame: av.VideoFrame, factor: float, how: Interpolation) -> av.VideoFrame:
    """By swscale."""
    width, height = (2 * round(side * factor / 2) for side in (frame.width, frame.height))
    return frame.reformat(width, height, interpolation=how)


def cut(frame: av.VideoFrame) -> av.VideoFrame:
    """Its upper left part, of sides that can be halved twice."""
    width, height = (side // _STEP * _STEP for side in (frame.width, frame.height))
    if (width, height) == (frame.width, frame.height):
        return frame
    less = av.VideoFrame(width, height, "yuv420p")
    for source, target in zip(frame.planes, less.planes, strict=True):
        rows_of(target)[: target.height, : target.width] = rows_of(source)[: target.height, : target.width]
    return less


def write(target: Path, frames: Iterable[av.VideoFrame], codec: str, options: dict[str, str]) -> None:
    """A video of the frames, 25 a second."""
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
