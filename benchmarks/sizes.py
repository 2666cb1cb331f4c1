"""Measure what the network gains over a Lanczos filter alone at scales other than 2.

    python benchmarks/sizes.py

Four photographs of scikit-image are the ground truth. Each is downscaled by bicubic interpolation (models/resize.py),
scaled back by the pipeline as a user runs it (``--size``) and by libswscale's Lanczos filter, and compared with the
original: PSNR of the luma. At scales below 1 the photograph is the source and its downscaled version the ground truth.
"""

import argparse
import statistics
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from sr4k import Box, Job, load_preset
from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.media.video import BT709, LIMITED_RANGE, ColourTags
from sr4k.media.writing.encoder import tag
from sr4k.models.quality.metrics import psnr
from sr4k.models.resize import imresize

HERE = Path(__file__).parent
RATIOS = [Fraction(3, 4), Fraction(4, 3), Fraction(15, 8), Fraction(3), Fraction(4)]
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
TAGS = ColourTags(BT709, LIMITED_RANGE, BT709, BT709)
PRESET = load_preset("file").updated("graph", mode="threads").updated("encode", preset="ultrafast", crf=0)

Planes = NDArray[np.uint8]


def main() -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="luma")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(ratio, args.model, Path(folder)) for ratio in RATIOS]
    text = as_markdown(rows, args.model)
    store(args.results, "sizes", {"machine": machine.describe(), "model": args.model, "rows": rows}, text)
    print(text)


def measure(ratio: Fraction, model: str, work: Path) -> dict[str, Any]:
    """Return the PSNR of the pipeline and of Lanczos at one scale: means over the photographs, in dB."""
    ours, lanczos = [], []
    for photograph in PHOTOGRAPHS:
        whole = shape_for(ratio, photograph)
        rows, columns = (int(side / max(ratio, 1 / ratio)) for side in whole.shape[:2])
        less = imresize(whole, rows, columns)
        truth, given = (whole, less) if ratio > 1 else (less, whole)
        expected = as_luma(av.VideoFrame.from_ndarray(truth, format="rgb24"))
        source = write(work / "in.mkv", given)
        size = (truth.shape[1], truth.shape[0])
        preset = PRESET.updated("engine", model=model)
        Job(source, work / "out.mkv", preset=preset, size=Box(*size, "stretch"), overwrite=True).run()
        with av.open(str(work / "out.mkv")) as result:
            ours.append(psnr(as_luma(next(result.decode(video=0))), expected))
        with av.open(str(source)) as given_video:
            plain = next(given_video.decode(video=0)).reformat(*size, interpolation="LANCZOS")
            lanczos.append(psnr(as_luma(plain), expected))
    return {"ratio": str(ratio), "ours": statistics.mean(ours), "lanczos": statistics.mean(lanczos)}


def shape_for(ratio: Fraction, photograph: str) -> Planes:
    """Return a photograph, RGB, cropped so that its sides are even at both sizes."""
    from skimage import data

    pixels = np.asarray(getattr(data, photograph)(), np.uint8)
    step = 2 * max(ratio, 1 / ratio).numerator
    height, width = (side // step * step for side in pixels.shape[:2])
    return pixels[:height, :width]


def write(target: Path, pixels: Planes) -> Path:
    """Write a video of one frame, lossless except for 4:2:0 subsampling; return its path."""
    with av.open(str(target), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = pixels.shape[1], pixels.shape[0], "yuv420p"
        tag(stream.codec_context, TAGS)
        picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p", dst_colorspace=BT709)
        out.mux([*stream.encode(picture), *stream.encode(None)])
    return target


def as_luma(picture: av.VideoFrame) -> Planes:
    """Return the BT.709 luma of a frame, uint8 (H, W)."""
    block = picture.to_ndarray(format="yuv420p", dst_colorspace=BT709 if picture.format.name == "rgb24" else None)
    return np.asarray(block[: picture.height, : picture.width], np.uint8)


def as_markdown(rows: list[dict[str, Any]], model: str) -> str:
    """Return the results as a Markdown page, one row per scale."""
    lines = [
        "# Scales other than 2\n",
        f"`python benchmarks/sizes.py`: PSNR of the luma, mean of {len(PHOTOGRAPHS)} photographs, in dB;",
        f"`{model}` with default settings.\n",
        "| scale | Lanczos alone | network, then Lanczos | gain |",
        "|---|---|---|---|",
    ]
    for row in rows:
        gain = row["ours"] - row["lanczos"]
        lines.append(f"| {row['ratio']} | {row['lanczos']:.2f} | {row['ours']:.2f} | {gain:+.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
