"""Measure the choices behind ``--size``: the filter after the network, and the size of the second pass's input.

    python benchmarks/size_choices.py --pictures validation

Works on the luma of squares from the middle of pictures, which bicubic interpolation (models/resize.py) makes smaller:
the network in int8 enlarges it, once or twice, and libswscale's filters scale it. PSNR against the original, without a
border of 4 pixels. Use pictures that are in no test set, since these figures chose something.
"""

import argparse
import io
import statistics
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.engines import Engine, EngineSpec, create_engine
from sr4k.models.colour import Colour, yuv_from_rgb
from sr4k.models.geometry import pad_planes
from sr4k.models.quality.image_files import picture_files, read_rgb
from sr4k.models.quality.metrics import psnr, without_border
from sr4k.models.resize import imresize
from sr4k.stages.reconstruct import shuffle

HERE = Path(__file__).parent
BELOW = ["9/8", "4/3", "3/2", "7/4", "15/8"]
ABOVE = ["21/10", "9/4", "5/2", "3", "7/2", "4", "9/2"]
FILTERS = ("lanczos", "bicubic", "spline", "area")
SECOND_INPUTS = [Fraction(5, 4), Fraction(4, 3), Fraction(3, 2), Fraction(5, 3), Fraction(7, 4), Fraction(2)]
SIDE = 512
COLOUR = Colour("bt601")

Luma = NDArray[np.uint8]


def main() -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="luma")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--crf", type=int, help="compress the small pictures by x264 first")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    pictures = [read_rgb(path) for path in picture_files([args.pictures])]
    found: dict[str, Any] = {"machine": machine.describe(), "model": args.model, "pictures": len(pictures)}
    found["command"] = f"python benchmarks/size_choices.py --pictures {args.pictures.name}"
    title = "size_choices"
    if args.crf is not None:
        found["command"], title = f"{found['command']} --crf {args.crf}", f"{title}_crf{args.crf}"
    for name, ratios, ways in (("below", BELOW, filtered), ("above", ABOVE, twice)):
        found[name] = {ratio: mean_of(pictures, Fraction(ratio), args.model, ways, args.crf) for ratio in ratios}
    text = as_markdown(found)
    store(args.results, title, found, text)
    print(text)


Ways = Callable[[Luma, tuple[int, int], str], Iterator[tuple[str, Luma]]]
"""A function that yields names of ways to enlarge a picture to a size (rows, columns), and what each makes."""


def mean_of(
    pictures: Sequence[NDArray[np.uint8]], ratio: Fraction, model: str, ways: Ways, crf: int | None
) -> dict[str, float]:
    """Return the mean PSNR in dB by way."""
    found: dict[str, list[float]] = {}
    for picture in pictures:
        high = square(picture, ratio)
        low = luma_of(imresize(high, *(int(side / ratio) for side in high.shape[:2])))
        low = low if crf is None else compressed(low, crf)
        truth = luma_of(high)
        for way, made in ways(low, (truth.shape[0], truth.shape[1]), model):
            found.setdefault(way, []).append(psnr(without_border(made, 4), without_border(truth, 4)))
    return {way: statistics.mean(values) for way, values in found.items()}


def filtered(low: Luma, size: tuple[int, int], model: str) -> Iterator[tuple[str, Luma]]:
    """One pass, and each filter after it."""
    big = network(low, model)
    for name in FILTERS:
        yield name, scaled(big, size, name)


def twice(low: Luma, size: tuple[int, int], model: str) -> Iterator[tuple[str, Luma]]:
    """One pass and Lanczos; or two, of which the second has an input of each size, and Lanczos."""
    big = network(low, model)
    yield "once", scaled(big, size, "lanczos")
    for factor in SECOND_INPUTS:
        middle = scaled(big, (round(factor * low.shape[0]), round(factor * low.shape[1])), "bicubic")
        yield f"{factor}", scaled(network(middle, model), size, "lanczos")


def square(picture: NDArray[np.uint8], ratio: Fraction) -> NDArray[np.uint8]:
    """Return the largest square from the middle, up to `SIDE`, whose side is even at both sizes."""
    step = 2 * ratio.numerator
    side = min(SIDE, *picture.shape[:2]) // step * step
    top, left = ((whole - side) // 2 for whole in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def luma_of(rgb: NDArray[np.uint8]) -> Luma:
    """Return the luma of RGB, uint8 (H, W)."""
    matrix, offset = yuv_from_rgb(COLOUR)
    return np.asarray(np.clip(np.rint(rgb @ matrix[0] + offset[0]), 0, 255), np.uint8)


def compressed(luma: Luma, crf: int) -> Luma:
    """Return what x264 leaves of a picture (H, W)."""
    file, (height, width) = io.BytesIO(), luma.shape
    block = np.concatenate([luma, np.full((height // 2, width), 128, np.uint8)])
    with av.open(file, "w", format="matroska") as out:
        video = out.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        out.mux([*video.encode(av.VideoFrame.from_ndarray(block, "yuv420p")), *video.encode(None)])
    file.seek(0)
    with av.open(file) as coded:
        return np.asarray(next(coded.decode(video=0)).to_ndarray()[:height], np.uint8)


@cache
def engine(height: int, width: int, model: str) -> Engine:
    """Return an engine for pictures of this size."""
    return create_engine("openvino", EngineSpec(model=model, height=height, width=width, colour=COLOUR)).activate()


def network(luma: Luma, model: str) -> Luma:
    """Return what the network makes of a picture (H, W): (2H, 2W)."""
    height, width = luma.shape
    even = np.pad(luma, ((0, height % 2), (0, width % 2)), mode="edge")
    chroma = np.full((2, even.shape[0] // 2, even.shape[1] // 2), 128, np.uint8)
    out = np.empty((2 * even.shape[0], 2 * even.shape[1]), np.uint8)
    shuffle(engine(*even.shape, model).infer(pad_planes(even, chroma))[..., :16], 4, out)
    return out[: 2 * height, : 2 * width]


def scaled(luma: Luma, size: tuple[int, int], kernel: str) -> Luma:
    """Scale a picture (H, W) to ``size`` (rows, columns) with a filter of libswscale's."""
    if luma.shape == size:
        return luma
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=luma.shape[1], height=luma.shape[0], format=av.VideoFormat("gray"), time_base=Fraction(1, 25)
    )
    scale = graph.add("scale", f"w={size[1]}:h={size[0]}:flags={kernel}+accurate_rnd:in_range=full:out_range=full")
    graph.link_nodes(source, scale, graph.add("format", "pix_fmts=gray"), graph.add("buffersink")).configure()
    graph.vpush(av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), "gray"))
    return np.asarray(graph.vpull().to_ndarray(), np.uint8)


def as_markdown(found: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    page = [
        "# The choices behind `--size`\n",
        f"`{found['command']}`: PSNR of the luma, mean of {found['pictures']} pictures, in dB;",
        f"`{found['model']}` in int8.\n",
        "Up to twice the size: the network, then a filter.\n",
        *rows(found["below"]),
        "\nAbove: the network once, then Lanczos; or twice, with a second input of so many times the source's size.\n",
        *rows(found["above"]),
    ]
    return "\n".join(page) + "\n"


def rows(found: dict[str, dict[str, float]]) -> Iterator[str]:
    """Yield the lines of a table: a row for each scale."""
    ways = list(next(iter(found.values())))
    yield f"| scale | {' | '.join(ways)} |"
    yield "|---|" + "---|" * len(ways)
    for ratio, values in found.items():
        yield f"| {ratio} | " + " | ".join(f"{values[way]:.2f}" for way in ways) + " |"


if __name__ == "__main__":
    main()
