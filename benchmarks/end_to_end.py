"""Compare this pipeline with the straightforward program, file to file: same clip, encoder settings and run.

    python benchmarks/end_to_end.py [--clip CLIP] [--repeats 3] [--results benchmarks/results]

Alternates whole processes, start-up included: the straightforward program with the published RCAN2, this pipeline with
the same network, and this pipeline with its default network. Verifies that the network ran: what the two outputs of
RCAN2 add to bicubic interpolation must correlate, and the engine must have counted every frame. Then measures the
memory of all processes together (proportional set size) on the clip and on one six times as long.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
from extras import required
from straightforward import MODEL

from rig.watched import watched
from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.common.opencv import cv2
from sr4k.media.planes import rows_of
from sr4k.models.catalogue import DEFAULT
from sr4k.models.quality.metrics import psnr

data = required("skimage.data")

HERE = Path(__file__).parent
CRF, PRESET = "18", "ultrafast"


def main() -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="a 1080p clip; default: a pan over photographs")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        clip = args.clip or made_clip(work)
        result = {
            "machine": machine.describe(),
            "clip": clip.name if args.clip else "a pan over photographs of scikit-image, 1920x1080",
        }
        result |= compare(clip, work, args.repeats)
        result["memory"] = memory(clip, work)
    text = as_markdown(result)
    store(args.results, "end_to_end", result, text)
    print(text)


def made_clip(work: Path) -> Path:
    """Write a clip of fifty 1080p frames, a pan over photographs, and return its path."""
    names = ("astronaut", "coffee", "chelsea", "rocket", "immunohistochemistry")
    row = np.concatenate([getattr(data, name)()[:300, :400] for name in names], axis=1)
    wall = np.concatenate([np.roll(row, 400 * k, axis=1) for k in range(4)])
    clip = work / "photographs.mp4"
    with av.open(str(clip), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"crf": "16", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = 1920, 1080, "yuv420p"
        for number in range(50):
            view = np.ascontiguousarray(wall[number : number + 1080, number : number + 1920])
            out.mux(video.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        out.mux(video.encode(None))
    return clip


def compare(clip: Path, work: Path, repeats: int) -> dict[str, Any]:
    """Run both programs alternately; return times, ratios and the proof that the network ran."""
    ours, theirs = work / "ours.mp4", work / "theirs.mp4"
    runs: list[dict[str, Any]] = []
    for number in range(repeats):
        found = {
            "default": run_ours(clip, work / "default.mp4", DEFAULT),
            "ours": run_ours(clip, ours, MODEL),
            "straightforward": run_straightforward(clip, theirs),
        }
        ratios = {name: found[name]["fps"] / found["straightforward"]["fps"] for name in ("ours", "default")}
        runs.append(found | {"ratios": ratios})
        print(f"run {number + 1}: {ratios}", file=sys.stderr)
    return {
        "runs": runs,
        "median_ratios": {name: statistics.median(r["ratios"][name] for r in runs) for name in ("ours", "default")},
        "proof": proof(clip, ours, theirs),
    }


def run_ours(clip: Path, target: Path, model: str) -> dict[str, Any]:
    """Upscale a clip with this pipeline as a user runs it; return its times."""
    command = [Path(sys.executable).parent / "sr4k-stream", clip, target, "--overwrite", "--json", "--model", model]
    began = time.perf_counter()
    command += ["--crf", CRF, "--preset", PRESET, "--no-reuse"]  # every frame is computed, in both programs
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - began
    summary = json.loads(done.stdout)
    frames = summary["frames"]
    assert summary["stages"]["infer"]["frames"] == frames, "the engine must have seen every frame"
    assert summary["engine"]["macs"] > 0, "no network ran"
    return {
        "frames": frames,
        "seconds": seconds,
        "fps": frames / seconds,
        "engine": summary["engine"],
        "ms_a_frame": {name: 1e3 * stage["busy"] / frames for name, stage in summary["stages"].items()},
        "cpu_seconds_a_frame": {name: process["cpu"] / frames for name, process in summary["processes"].items()},
    }


def run_straightforward(clip: Path, target: Path) -> dict[str, Any]:
    """Upscale a clip with the baseline, as a whole process too; return its times."""
    command = [sys.executable, HERE / "straightforward.py", clip, target, CRF, PRESET]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - began
    summary = json.loads(done.stdout)
    frames = summary["frames"]
    ms = {name: 1e3 * spent / frames for name, spent in summary["stages"].items()}
    return {"frames": frames, "seconds": seconds, "fps": frames / seconds, "ms_a_frame": ms}


def proof(clip: Path, ours: Path, theirs: Path) -> dict[str, float]:
    """Compare what both programs add to bicubic interpolation, on the luma of the first frames.

    Raises:
        AssertionError: It doesn't correlate.
    """
    rows = []
    for a, b, small in zip(luma(ours), luma(theirs), luma(clip), strict=False):
        bicubic = cv2.resize(small, (a.shape[1], a.shape[0]), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        correlation = np.corrcoef((a - bicubic).ravel(), (b - bicubic).ravel())[0, 1]
        rows.append((psnr(a, b), psnr(a, bicubic), psnr(b, bicubic), correlation))
        if len(rows) == 8:
            break
    each_other, ours_bicubic, theirs_bicubic, correlation = np.mean(rows, axis=0)
    assert correlation > 0.7, "what the two outputs add to bicubic interpolation doesn't correlate"
    return {
        "ours_to_straightforward_db": float(each_other),
        "ours_to_bicubic_db": float(ours_bicubic),
        "straightforward_to_bicubic_db": float(theirs_bicubic),
        "correlation_of_what_they_add": float(correlation),
    }


def luma(path: Path) -> Any:
    """Yield the Y planes of a file, uint8 (H, W)."""
    with av.open(str(path)) as source:
        for frame in source.decode(video=0):
            yield rows_of(frame.planes[0])[: frame.height, : frame.width].copy()


def memory(clip: Path, work: Path) -> dict[str, float]:
    """Return the peak memory of all processes together, in MiB, on the clip and on its sixfold repetition."""
    long = work / "long.mp4"
    repeat(clip, long, 6)
    return {"clip_mib": peak(clip, work / "a.mp4"), "six_times_as_long_mib": peak(long, work / "b.mp4")}


def repeat(clip: Path, target: Path, times: int) -> None:
    """Write the video of a clip several times in a row, without encoding it again."""
    with av.open(str(target), "w") as out:
        copy, offset = None, 0
        for _ in range(times):
            with av.open(str(clip)) as source:
                stream = source.streams.video[0]
                copy = copy or out.add_stream_from_template(stream)
                end = 0
                for packet in source.demux(stream):
                    if packet.pts is None or packet.dts is None:
                        continue
                    end = max(end, packet.pts + (packet.duration or 0))
                    packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, copy
                    out.mux(packet)
                offset += end


def peak(clip: Path, target: Path) -> float:
    """Return the peak proportional set size of the command with its workers, in MiB."""
    command = [Path(sys.executable).parent / "sr4k-stream", clip, target, "--quiet", "--crf", CRF, "--preset", PRESET]
    return watched(command).mib


def as_markdown(result: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    last = result["runs"][-1]
    ours, default, theirs = last["ours"], last["default"], last["straightforward"]
    medians = result["median_ratios"]
    lines = [
        "# End to end, 1080p to 4K",
        "",
        f"`python benchmarks/end_to_end.py`; {machine.in_words(result['machine'])}",
        "",
        f"Clip: {result['clip']}, {ours['frames']} frames; libx264 {PRESET}, CRF {CRF}; whole processes.",
        "",
        f"| run | straightforward, {MODEL}, fps | ours, {MODEL}, fps | ratio | ours, {DEFAULT}, fps | ratio |",
        "|---|---|---|---|---|---|",
        *(
            f"| {k + 1} | {r['straightforward']['fps']:.2f} | {r['ours']['fps']:.2f} | {r['ratios']['ours']:.2f} "
            f"| {r['default']['fps']:.2f} | {r['ratios']['default']:.2f} |"
            for k, r in enumerate(result["runs"])
        ),
        "",
        f"**Median ratio with the same network: {medians['ours']:.2f}; "
        f"with the default network: {medians['default']:.2f}**",
        "",
        f"| ours, {MODEL} | ms/frame | ours, {DEFAULT} | ms/frame | straightforward | ms/frame |",
        "|---|---|---|---|---|---|",
    ]
    pairs = list(theirs["ms_a_frame"].items())
    for k, (name, ms) in enumerate(ours["ms_a_frame"].items()):
        other = f"{pairs[k][0]} | {pairs[k][1]:.1f}" if k < len(pairs) else " | "
        lines.append(f"| {name} | {ms:.1f} | {name} | {default['ms_a_frame'][name]:.1f} | {other} |")
    check, mib = result["proof"], result["memory"]
    lines += [
        "",
        "Ours: wall time of each stage; they run concurrently in three processes, the others sequentially.",
        "",
        f"Proof that the network ran: what the two outputs add to bicubic interpolation has a correlation of "
        f"{check['correlation_of_what_they_add']:.2f}. PSNR of ours to the straightforward output "
        f"{check['ours_to_straightforward_db']:.1f} dB, of the two to bicubic {check['ours_to_bicubic_db']:.1f} and "
        f"{check['straightforward_to_bicubic_db']:.1f} dB.",
        "",
        f"Memory of all processes: {mib['clip_mib']:.0f} MiB; on a clip six times as long: "
        f"{mib['six_times_as_long_mib']:.0f} MiB.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
