"""Measure what the network gains at scales other than 2: over a Lanczos filter alone, and over scaling before it.

    python benchmarks/sizes.py
    python benchmarks/sizes.py --pictures Set14 --ratios 3 4

The ground truth are four photographs of scikit-image, or the pictures of folders. Each is downscaled by bicubic
interpolation (models/resize.py), scaled back by the pipeline as a user runs it (``--size``) and in other ways, and
compared with the original: PSNR of the luma. At scales below 1 the picture is the source, and its downscaled version
the ground truth. With ``--shrink`` pictures are made smaller first: 3/2 makes 2560x1440 of a 4K original.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from extras import required
from numpy.typing import NDArray

from sr4k import Box, Job, load_preset
from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.media.video import BT709, LIMITED_RANGE, ColourTags
from sr4k.media.writing.encoder import tag
from sr4k.models.quality.image_files import picture_files, read_rgb
from sr4k.models.quality.metrics import psnr
from sr4k.models.resize import imresize

HERE = Path(__file__).parent
RATIOS = ["3/4", "4/3", "3/2", "15/8", "9/4", "3", "4", "9/2"]
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
TAGS = ColourTags(BT709, LIMITED_RANGE, BT709, BT709)
PRESET = load_preset("file").updated("graph", mode="threads").updated("encode", preset="ultrafast", crf=0)

WAYS = {
    "lanczos": "Lanczos alone",
    "before": "Lanczos, then network",
    "once": "network, then Lanczos",
    "ours": "`--size`",
}
"""Ways to a size, and how the table calls them. The network doubles the size; ``--size`` may use it twice."""

Planes = NDArray[np.uint8]


def main() -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="luma")
    parser.add_argument("--pictures", type=Path, nargs="*", default=[], help="folders to use instead of photographs")
    parser.add_argument("--ratios", type=Fraction, nargs="*", default=[Fraction(text) for text in RATIOS])
    parser.add_argument("--shrink", type=Fraction, default=Fraction(1), help="make pictures smaller by this first")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--name", default="sizes", help="name of the files with the results")
    args = parser.parse_args()
    sets = {}
    for name, pictures in sources(args.pictures, args.shrink):
        with tempfile.TemporaryDirectory() as folder:
            rows = [measure(pictures, ratio, args.model, Path(folder)) for ratio in args.ratios]
        sets[name] = {"pictures": len(pictures), "rows": rows}
        print(table(name, sets[name]), flush=True)
    found = {"command": command(args), "machine": machine.describe(), "model": args.model, "sets": sets}
    store(args.results, args.name, found, as_markdown(found))


def command(args: argparse.Namespace) -> str:
    """Return the command that measured, with the names of folders for their paths."""
    words = ["python benchmarks/sizes.py"]
    if args.pictures:
        words += ["--pictures", *(folder.name for folder in args.pictures)]
    if args.ratios != [Fraction(text) for text in RATIOS]:
        words += ["--ratios", *map(str, args.ratios)]
    if args.shrink != 1:
        words += ["--shrink", str(args.shrink)]
    return " ".join(words)


def sources(folders: Sequence[Path], shrink: Fraction) -> Iterator[tuple[str, list[Planes]]]:
    """Yield the name of each set of pictures, and the pictures."""
    if not folders:
        data = required("skimage.data")
        yield "photographs of scikit-image", [np.asarray(getattr(data, name)(), np.uint8) for name in PHOTOGRAPHS]
    for folder in folders:
        pictures = [read_rgb(path) for path in picture_files([folder])]
        if shrink != 1:
            pictures = [imresize(whole, *(round(side / shrink) for side in whole.shape[:2])) for whole in pictures]
        yield folder.name, pictures


def measure(pictures: Sequence[Planes], ratio: Fraction, model: str, work: Path) -> dict[str, Any]:
    """Return the PSNR at one scale by way: means over the pictures, in dB."""
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for picture in pictures:
        whole = cropped(picture, ratio)
        less = imresize(whole, *(int(side / max(ratio, 1 / ratio)) for side in whole.shape[:2]))
        truth, given = (whole, less) if ratio > 1 else (less, whole)
        expected = as_luma(av.VideoFrame.from_ndarray(truth, format="rgb24"))
        for way, made in upscaled(given, (truth.shape[1], truth.shape[0]), model, work):
            found[way].append(psnr(as_luma(made), expected))
    return {"ratio": str(ratio), **{way: statistics.mean(values) for way, values in found.items()}}


def upscaled(given: Planes, size: tuple[int, int], model: str, work: Path) -> Iterator[tuple[str, av.VideoFrame]]:
    """Yield each way and the frame that it makes of ``given`` at ``size`` (width, height)."""
    source = write(work / "in.mkv", first_of(given))
    plain = read(source)
    yield "lanczos", scaled(plain, size)
    half = write(work / "half.mkv", scaled(plain, (size[0] // 2, size[1] // 2)))
    yield "before", scaled(by_network(half, None, model), size)
    yield "once", scaled(by_network(source, None, model), size)
    yield "ours", by_network(source, Box(*size, "stretch"), model)


def by_network(source: Path, size: Box | None, model: str) -> av.VideoFrame:
    """Return the first frame of what a job makes of a video."""
    target = source.with_name("out.mkv")
    Job(source, target, preset=PRESET.updated("engine", model=model), size=size, overwrite=True).run()
    return read(target)


def scaled(picture: av.VideoFrame, size: tuple[int, int]) -> av.VideoFrame:
    """Scale a picture with libswscale's Lanczos filter."""
    return picture.reformat(*size, interpolation="LANCZOS")


def cropped(picture: Planes, ratio: Fraction) -> Planes:
    """Crop a picture so that its sides are even at both sizes."""
    step = 2 * max(ratio, 1 / ratio).numerator
    height, width = (side // step * step for side in picture.shape[:2])
    return picture[:height, :width]


def first_of(pixels: Planes) -> av.VideoFrame:
    """Return RGB as a frame in 4:2:0."""
    return av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p", dst_colorspace=BT709)


def write(target: Path, picture: av.VideoFrame) -> Path:
    """Write a video of one frame without loss; return its path."""
    with av.open(str(target), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
        tag(stream.codec_context, TAGS)
        picture.pts = None
        out.mux([*stream.encode(picture), *stream.encode(None)])
    return target


def read(path: Path) -> av.VideoFrame:
    """Return the first frame of a video."""
    with av.open(str(path)) as video:
        return next(video.decode(video=0))


def as_luma(picture: av.VideoFrame) -> Planes:
    """Return the BT.709 luma of a frame, uint8 (H, W)."""
    block = picture.to_ndarray(format="yuv420p", dst_colorspace=BT709 if picture.format.name == "rgb24" else None)
    return np.asarray(block[: picture.height, : picture.width], np.uint8)


def as_markdown(found: dict[str, Any]) -> str:
    """Return the results as a Markdown page, a table for each set of pictures."""
    lines = [
        "# Scales other than 2\n",
        f"`{found['command']}`: PSNR of the luma, mean over the pictures, in dB;",
        f"`{found['model']}` with default settings.",
        "Above 2.2, `--size` runs the network twice. The gains are of `--size` over the first two ways.\n",
    ]
    return "\n".join([*lines, *(table(name, part) for name, part in found["sets"].items())])


def table(name: str, part: dict[str, Any]) -> str:
    """Return the results of one set of pictures as a table, a row for each scale."""
    lines = [
        f"## {name}, {part['pictures']} picture{'s' if part['pictures'] > 1 else ''}\n",
        f"| scale | {' | '.join(WAYS.values())} | gain over Lanczos | over Lanczos, then network |",
        "|---|" + "---|" * (len(WAYS) + 2),
    ]
    for row in part["rows"]:
        values = " | ".join(f"{row[way]:.2f}" for way in WAYS)
        gains = " | ".join(f"{row['ours'] - row[way]:+.2f}" for way in ("lanczos", "before"))
        lines.append(f"| {row['ratio']} | {values} | {gains} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
