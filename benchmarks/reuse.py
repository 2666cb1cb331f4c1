"""Measure what reuse of tiles that stay or move saves.

    python benchmarks/reuse.py [--part pipeline|moving] [--repeats 3] [--results benchmarks/results]

``pipeline``: clips of 1080p: slides (a still every two seconds) as a lossless screen recording and as lossy video,
whose stills change slightly; a head that moves before a still background; a pan, where everything moves; and text that
scrolls, lossless. Each runs through the pipeline with and without reuse alternately: frames per second after start-up,
which the encoder limits, and CPU seconds of the upscaling process. The upper bound, the pipeline without a network, is
measured as well. Then the head with noise, by threshold of reuse.

``moving``: what moves by whole pixels: text that scrolls, credits, a window of a screen, and a pan over a drawing. CPU
seconds of the stage with the network, with and without reuse alternately; which share of it is found again in the
pictures of lossy encoders; and what the search for a shift takes.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import deque
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from rig import drawn_clips as drawn
from rig.drawn_clips import Draw, write
from sr4k import Preset, load_preset
from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.bench.whole import run_pipeline, watched
from sr4k.models.zoo import DEFAULT
from sr4k.pipeline import Frame
from sr4k.pipeline.chain import HeapBuffers
from sr4k.quality.measure_videos import compare_videos
from sr4k.stages.decode import Decode
from sr4k.stages.infer import Infer
from sr4k.stages.preprocess import Preprocess
from sr4k.stages.settings import DecodeSettings, InferSettings, PreprocessSettings
from sr4k.stages.shift_search import find_shift

HERE = Path(__file__).parent
THRESHOLDS = (0, 1, 2, 4)
FEW = (0, 2)
SHORT, FIRST = 40, 4

LOSSY = {"crf": "20", "preset": "veryfast"}
LOSSLESS = {"qp": "0", "preset": "ultrafast"}
CLIPS: dict[str, tuple[Draw, dict[str, str]]] = {
    "slides, lossless": (drawn.slides, LOSSLESS),
    "slides": (drawn.slides, LOSSY),
    "talking head": (drawn.head, LOSSY),
    "pan": (drawn.pan, LOSSY),
    "text scrolls by 2 pixels": (drawn.scrolling(2), LOSSLESS),
}
MOVING: dict[str, Draw] = {
    "text scrolls by 2 pixels": drawn.scrolling(2),
    "text scrolls by 4 pixels": drawn.scrolling(4),
    "text scrolls by 3 pixels": drawn.scrolling(3),
    "credits": drawn.credits_of_a_film,
    "window scrolls": drawn.window,
    "pan over a drawing": drawn.pan_over_a_drawing,
}
ENCODERS = {
    "x264 veryfast, CRF 20": LOSSY,
    "x264 ultrafast, CRF 20": {"crf": "20", "preset": "ultrafast"},
    "x264 veryfast zerolatency, CRF 28": {"crf": "28", "preset": "veryfast", "tune": "zerolatency"},
}


def main() -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("pipeline", "moving"), help="Default: both.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if args.part != "moving":
            result = of_pipeline(work, args.repeats)
            publish(args.results, "reuse", result, as_markdown(result))
        if args.part != "pipeline":
            result = {
                "machine": machine.describe(),
                "stage": {name: stage(draw, work, args.repeats) for name, draw in MOVING.items()},
                "searches": searches(),
                "encoders": encoders(work),
            }
            publish(args.results, "reuse_moving", result, moving_as_markdown(result))


def publish(folder: Path, name: str, result: dict[str, Any], text: str) -> None:
    """Store and print a page of results."""
    store(folder, name, result, text)
    print(text)


def of_pipeline(work: Path, repeats: int) -> dict[str, Any]:
    """Measure clips and thresholds in the whole pipeline."""
    clips = {name: write(work / f"{name}.mp4", *how) for name, how in CLIPS.items()}
    return {
        "machine": machine.describe(),
        "clips": {name: compare(clip, work, repeats) for name, clip in clips.items()},
        "thresholds": thresholds(write(work / "noisy.mp4", drawn.noisy, LOSSY), work),
    }


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


def encoders(work: Path) -> dict[str, dict[str, list[float]]]:
    """Return the share of tiles to compute of what moves: by clip, encoder, and threshold of `FEW`."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in MOVING}
    for name, draw in MOVING.items():
        for encoder, options in ENCODERS.items():
            clip = write(work / "moving.mp4", draw, options)
            found[name][encoder] = [share(clip, threshold) for threshold in FEW]
            print(name, encoder, found[name][encoder], file=sys.stderr, flush=True)
    return found


def share(clip: Path, threshold: int) -> float:
    """Return the share of tiles to compute, as the pipeline finds it; no network runs."""
    source, padding = Decode(DecodeSettings(path=clip)), Preprocess(PreprocessSettings())
    finding = Infer(InferSettings(engine="nearest", model=DEFAULT, reuse_threshold=threshold))
    form = source.open()
    finding.open(padding.open(form))
    buffers = HeapBuffers(form)
    for frame in source.frames(buffers):
        for padded in padding.process(frame, buffers):
            deque(finding.process(padded, buffers), maxlen=0)
    return computed_by(finding)


def computed_by(network: Infer) -> float:
    """Return the share of tiles that a stage computed."""
    report = network.report()
    assert report is not None
    return 1.0 if report.computed is None else report.computed


def stage(draw: Draw, work: Path, repeats: int) -> dict[str, Any]:
    """Return CPU seconds a frame of the stage with the network on a lossless clip, with reuse and without.

    Start-up and the first frames, which are computed as wholes, don't count.
    """
    source, padding = (
        Decode(DecodeSettings(path=write(work / "moving.mp4", draw, LOSSLESS))),
        Preprocess(PreprocessSettings()),
    )
    form = source.open()
    padded = padding.open(form)
    pool = HeapBuffers(form)
    frames = [done for frame in islice(source.frames(pool), SHORT) for done in padding.process(frame, pool)]
    rows = []
    for _ in range(repeats):
        row = {}
        for name, reuse in (("with", True), ("without", False)):
            network = Infer(InferSettings(engine="openvino", model=DEFAULT, threads=2, reuse=reuse))
            buffers = HeapBuffers(network.open(padded))
            for number, frame in enumerate(frames):
                if number == FIRST:
                    began = time.process_time()
                deque(network.process(Frame(frame.planes, frame.info), buffers), maxlen=0)
            deque(network.drain(buffers), maxlen=0)
            row[name] = (time.process_time() - began) / (len(frames) - FIRST)
            row[f"computed_{name}"] = computed_by(network)
            network.close()
        rows.append(row | {"ratio": row["without"] / row["with"]})
        print(rows[-1], file=sys.stderr, flush=True)
    source.close()
    return {"runs": rows, "median_ratio": statistics.median(row["ratio"] for row in rows)}


def searches() -> dict[str, float]:
    """Return the CPU milliseconds of a search for a shift that is found, and of one in vain: medians."""
    moving = [drawn.scrolling(2)(number)[..., 1].copy() for number in range(2)]
    noise = [drawn.noisy(number)[..., 1].copy() for number in range(2)]
    found = {}
    for name, (before, now) in {"found": moving, "in vain": noise}.items():
        times = []
        for _ in range(50):
            began = time.process_time()
            find_shift(now, before, 0)
            times.append(1000 * (time.process_time() - began))
        found[name] = statistics.median(times)
    return found


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


def median_run(found: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the run of the median ratio, and all ratios in words."""
    runs = found["runs"]
    middle = sorted(runs, key=lambda row: row["ratio"])[len(runs) // 2]
    ratios = ", ".join(f"{row['ratio']:.2f}" for row in runs)
    return middle, f"**{found['median_ratio']:.2f}** ({ratios})"


def as_markdown(result: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    lines = [
        "# Reuse of tiles that stay or move",
        "",
        f"`python benchmarks/reuse.py --part pipeline`; {machine.in_words(result['machine'])}; 1080p to 4K.",
        "",
        "| clip | tiles computed | frames/s with reuse | without | median ratio (of runs) | upper bound, no network "
        "| CPU s/frame of upscaling with reuse | without | median ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in result["clips"].items():
        middle, ratio = median_run(found)
        lines.append(
            f"| {name} | {middle['computed']:.0%} | {middle['with']:.2f} | {middle['without']:.2f} "
            f"| {ratio} | {middle['ceiling']:.2f} "
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


def moving_as_markdown(result: dict[str, Any]) -> str:
    """Return the results on what moves as a Markdown page."""
    found_ms, vain_ms = result["searches"].values()
    lines = [
        "# Reuse of what moves by whole pixels",
        "",
        f"`python benchmarks/reuse.py --part moving`; {machine.in_words(result['machine'])}; 1080p to 4K.",
        "",
        f"Lossless clips, {SHORT} frames, through the stage with the network; times after the first {FIRST}:",
        "",
        "| clip | tiles computed | CPU s/frame with reuse | without | median ratio (of runs) |",
        "|---|---|---|---|---|",
    ]
    for name, found in result["stage"].items():
        middle, ratio = median_run(found)
        lines.append(
            f"| {name} | {middle['computed_with']:.0%} | {middle['with']:.4f} | {middle['without']:.4f} | {ratio} |"
        )
    lines += [
        "",
        f"A search for a shift takes {found_ms:.2f} ms of CPU time where there is one, {vain_ms:.2f} ms in vain.",
        "",
        f"Tiles computed of {drawn.FRAMES} frames by how the source was encoded, with a threshold of "
        f"{' and of '.join(map(str, FEW))} levels:",
        "",
        f"| clip | {' | '.join(ENCODERS)} |",
        "|---|" + "---|" * len(ENCODERS),
    ]
    for name, by_encoder in result["encoders"].items():
        cells = (", ".join(f"{share:.0%}" for share in by_encoder[encoder]) for encoder in ENCODERS)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
