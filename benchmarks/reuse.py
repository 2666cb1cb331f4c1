"""Measure what reuse of unchanged tiles saves.

    python benchmarks/reuse.py [--repeats 3] [--results benchmarks/results]

Clips of 1080p: slides (a still every two seconds) as a lossless screen recording and as lossy video, whose stills
change slightly; a head that moves before a still background; and a pan, where everything moves. Each runs through the
pipeline with and without reuse alternately: frames per second after start-up, which the encoder limits, and CPU seconds
of the upscaling process. The upper bound, the pipeline without a network, is measured as well. Then the head with
noise, by threshold of reuse.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from extras import required
from numpy.typing import NDArray

from sr4k import Preset, load_preset
from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.bench.whole import run_pipeline, watched
from sr4k.quality.measure_videos import compare_videos

data = required("skimage.data")

HERE = Path(__file__).parent
WIDTH, HEIGHT, FRAMES = 1920, 1080, 100
THRESHOLDS = (0, 1, 2, 4)

Picture = NDArray[np.uint8]


def main() -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        clips = {name: write(work / f"{name}.mp4", *how) for name, how in CLIPS.items()}
        result = {
            "machine": machine.describe(),
            "clips": {name: compare(clip, work, args.repeats) for name, clip in clips.items()},
            "thresholds": thresholds(write(work / "noisy.mp4", noisy, LOSSY), work),
        }
    text = as_markdown(result)
    store(args.results, "reuse", result, text)
    print(text)


def wall() -> Picture:
    """Return photographs side by side, larger than a frame, RGB."""
    names = ("astronaut", "coffee", "chelsea", "rocket", "immunohistochemistry")
    row = np.concatenate([getattr(data, name)()[:300, :400] for name in names], axis=1)
    return np.concatenate([np.roll(row, 400 * k, axis=1) for k in range(4)])


def slides(number: int) -> Picture:
    """Return frame ``number`` of slides: a new still every two seconds."""
    return np.roll(wall(), 400 * (number // 50), axis=1)[:HEIGHT, :WIDTH]


def head(number: int) -> Picture:
    """Return frame ``number`` of a talking head: a face that sways before a still background."""
    picture = wall()[:HEIGHT, :WIDTH].copy()
    face = np.kron(data.astronaut()[:300, 100:350], np.ones((3, 2, 1), np.uint8))
    x = 700 + int(30 * np.sin(number / 6))
    picture[HEIGHT - len(face) :, x : x + face.shape[1]] = face
    return picture


def pan(number: int) -> Picture:
    """Return frame ``number`` of a pan, where everything moves."""
    return wall()[number : number + HEIGHT, number % 80 : number % 80 + WIDTH]


def noisy(number: int) -> Picture:
    """Return frame ``number`` of the talking head with camera noise."""
    noise = np.random.default_rng(number).normal(0, 1.5, (HEIGHT, WIDTH, 1))
    return np.clip(np.rint(head(number) + noise), 0, 255).astype(np.uint8)


LOSSY = {"crf": "20", "preset": "veryfast"}
LOSSLESS = {"qp": "0", "preset": "ultrafast"}
CLIPS: dict[str, tuple[Callable[[int], Picture], dict[str, str]]] = {
    "slides, lossless": (slides, LOSSLESS),
    "slides": (slides, LOSSY),
    "talking head": (head, LOSSY),
    "pan": (pan, LOSSY),
}


def write(target: Path, draw: Callable[[int], Picture], options: dict[str, str]) -> Path:
    """Write a clip of frames that ``draw`` returns; return its path."""
    with av.open(str(target), "w") as out:
        video = out.add_stream("libx264", rate=25, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            picture = np.ascontiguousarray(draw(number))
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode(None))
    return target


def preset(**engine: Any) -> Preset:
    """Return the preset for files with engine settings changed."""
    return load_preset("file").updated("engine", **engine)


def compare(clip: Path, work: Path, repeats: int) -> dict[str, Any]:
    """Measure a clip with and without reuse alternately; return all runs and the median ratios."""
    rows = []
    for _ in range(repeats):
        on, off = (run_pipeline(clip, work / "out.mp4", preset(reuse=reuse)) for reuse in (True, False))
        row = {"with": on.steady()["fps"], "without": off.steady()["fps"], "computed": on.summary.engine.computed}
        cpu = [run.summary.processes["upscale"].cpu / run.summary.frames for run in (on, off)]
        row["ceiling"] = watched(clip, work / "out.mp4", preset(name="nearest", reuse=False)).steady()["fps"]
        row |= {"cpu_with": cpu[0], "cpu_without": cpu[1], "cpu_ratio": cpu[1] / cpu[0]}
        rows.append(row | {"ratio": row["with"] / row["without"]})
        print(clip.stem, rows[-1], file=sys.stderr, flush=True)
    medians = {f"median_{key}": statistics.median(row[key] for row in rows) for key in ("ratio", "cpu_ratio")}
    return {"runs": rows, **medians}


def thresholds(clip: Path, work: Path) -> list[dict[str, Any]]:
    """Measure what each threshold saves, and its PSNR against exact reuse, before any lossy encoder."""
    rows = []
    for threshold in THRESHOLDS:
        target = work / f"threshold-{threshold}.mkv"
        run = run_pipeline(clip, target, preset(reuse_threshold=threshold))
        lossless = preset(reuse_threshold=threshold).updated("encode", preset="ultrafast", crf=0)
        run_pipeline(clip, target, lossless)
        psnr = compare_videos(target, work / "threshold-0.mkv", ["PSNR"]).mean()["PSNR"]
        row = {"threshold": threshold, "fps": run.steady()["fps"], "psnr": psnr if np.isfinite(psnr) else None}
        rows.append(row | {"computed": run.summary.engine.computed})
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def as_markdown(result: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    lines = [
        "# Reuse of unchanged tiles",
        "",
        f"`python benchmarks/reuse.py`; {machine.in_words(result['machine'])}; 1080p to 4K.",
        "",
        "| clip | tiles computed | frames/s with reuse | without | median ratio (of runs) | upper bound, no network "
        "| CPU s/frame of upscaling with reuse | without | median ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in result["clips"].items():
        middle = sorted(found["runs"], key=lambda row: row["ratio"])[len(found["runs"]) // 2]
        ratios = ", ".join(f"{row['ratio']:.2f}" for row in found["runs"])
        lines.append(
            f"| {name} | {middle['computed']:.0%} | {middle['with']:.2f} | {middle['without']:.2f} "
            f"| **{found['median_ratio']:.2f}** ({ratios}) | {middle['ceiling']:.2f} "
            f"| {middle['cpu_with']:.3f} | {middle['cpu_without']:.3f} | **{found['median_cpu_ratio']:.2f}** |"
        )
    lines += [
        "",
        "The talking head with noise, by threshold (8-bit levels); PSNR of the luma against threshold 0:",
        "",
        "| threshold | tiles computed | frames/s | PSNR dB |",
        "|---|---|---|---|",
    ]
    for row in result["thresholds"]:
        psnr = "identical" if row["psnr"] is None else f"{row['psnr']:.2f}"
        lines.append(f"| {row['threshold']} | {row['computed']:.0%} | {row['fps']:.2f} | {psnr} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
