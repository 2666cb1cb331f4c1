"""Upscaling of compressed video: what each network gains over lanczos, by how strongly the video was compressed.

    python benchmarks/compressed_video.py [--clip CLIP]... [--crf 23 28 33] [--models luma]

Each clip is the ground truth twice: as it is, which is soft if it was compressed itself, and halved, which is sharp.
It is halved (bicubic), compressed by libx264 or libx265, upscaled by the pipeline as a user runs it but for a lossless
encoder, and compared with the ground truth: PSNR, SSIM and XPSNR of the luma.
"""

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import Interpolation
from end_to_end import made_clip

from sr4k import Job, load_preset
from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.compare import compare_videos
from sr4k.stages.encoder import tag
from sr4k.stages.video import BT709, LIMITED_RANGE, ColourTags

HERE = Path(__file__).parent
TAGS = ColourTags(BT709, LIMITED_RANGE, BT709, BT709)
MEASURES = ("PSNR", "SSIM", "XPSNR")


def main() -> None:
    """Run, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, action="append", help="ground truth; may repeat; default: one is made")
    parser.add_argument("--frames", type=int, default=24, help="frames of each clip that are used")
    parser.add_argument("--crf", type=int, nargs="+", default=[23, 28, 33])
    parser.add_argument("--codecs", nargs="+", default=["libx264", "libx265"])
    parser.add_argument("--models", nargs="+", default=["luma"])
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        truth = work / "truth.mkv"
        for clip, factor, codec, crf in itertools.product(
            args.clip or [made_clip(work)], (1, 0.5), args.codecs, args.crf
        ):
            frames = (resized(frame, factor, Interpolation.AREA) for frame in pictures(clip, args.frames))
            height = write(truth, frames, "libx264", {"qp": "0", "preset": "ultrafast"})
            row = {"clip": clip.name, "height": height, "codec": codec, "crf": crf}
            rows.append(row | measure(truth, codec, crf, args.models, work))
            print(rows[-1], flush=True)
    text = as_markdown(rows, args.models)
    result = {"machine": machine.describe(), "frames": args.frames, "rows": rows}
    store(args.results, "compressed_video", result, text)
    print(text)


def pictures(clip: Path, count: int) -> Iterator[av.VideoFrame]:
    """The first frames as yuv420p."""
    with av.open(str(clip)) as source:
        for number, frame in enumerate(source.decode(video=0)):
            if number == count:
                return
            yield frame.reformat(format="yuv420p")


def write(target: Path, frames: Iterator[av.VideoFrame], codec: str, options: dict[str, str]) -> int:
    """A video of the frames, 25 a second. Returns their height."""
    with av.open(str(target), "w") as out:
        stream = out.add_stream(codec, rate=25, options=options)
        for number, frame in enumerate(frames):
            if number == 0:
                tag(stream.codec_context, TAGS)  # halved, it would be taken for BT.601
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
            plain = av.VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p")
            tag(plain, TAGS)
            plain.pts = number
            plain.time_base = 1 / stream.average_rate
            out.mux(stream.encode(plain))
        out.mux(stream.encode(None))
        return int(stream.height)


def measure(truth: Path, codec: str, crf: int, models: list[str], work: Path) -> dict[str, Any]:
    """Means over the frames, by network; ``lanczos`` is swscale's."""
    small, large = work / "small.mkv", work / "large.mkv"
    options = {"crf": str(crf), "preset": "veryfast"} | ({"x265-params": "log-level=none"} if "265" in codec else {})
    write(small, (resized(f, 0.5, Interpolation.BICUBIC) for f in pictures(truth, 10**9)), codec, options)
    lossless = {"qp": "0", "preset": "ultrafast"}
    write(large, (resized(f, 2, Interpolation.LANCZOS) for f in pictures(small, 10**9)), "libx264", lossless)
    found = {"lanczos": compare_videos(large, truth).mean()}
    for model in models:
        preset = load_preset("file").updated("engine", model=model)
        preset = preset.updated("encode", preset="ultrafast", options={"qp": "0"})
        Job(small, large, preset, overwrite=True).run()
        found[model] = compare_videos(large, truth).mean()
    return found


def resized(frame: av.VideoFrame, factor: float, how: Interpolation) -> av.VideoFrame:
    """By swscale."""
    width, height = (2 * round(side * factor / 2) for side in (frame.width, frame.height))
    return frame.reformat(width, height, interpolation=how)


def as_markdown(rows: list[dict[str, Any]], models: list[str]) -> str:
    """Lanczos, and what each network adds to it."""
    lines = [
        "# Upscaling of compressed video\n",
        "`python benchmarks/compressed_video.py`: luma of the result against the ground truth; lanczos, and the gain",
        "of each network over it. PSNR and XPSNR in dB.\n",
        "| clip | height | codec | CRF | measure | lanczos | " + " | ".join(models) + " |",
        "|---|---|---|---|---|---|" + "---|" * len(models),
    ]
    for row in rows:
        for measure_name in MEASURES:
            base = row["lanczos"][measure_name]
            gains = " | ".join(f"{row[model][measure_name] - base:+.3f}" for model in models)
            what = " | ".join(str(row[key]) for key in ("clip", "height", "codec", "crf"))
            lines.append(f"| {what} | {measure_name} | {base:.3f} | {gains} |")
    for measure_name in MEASURES:
        means = {name: statistics.mean(row[name][measure_name] for row in rows) for name in ("lanczos", *models)}
        gains = " | ".join(f"{means[model] - means['lanczos']:+.3f}" for model in models)
        lines.append(f"| **mean** | | | | {measure_name} | {means['lanczos']:.3f} | {gains} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
