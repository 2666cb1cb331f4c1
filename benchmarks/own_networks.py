"""Take networks that others could have made through the product: file to file, live and in memory.

    python benchmarks/own_networks.py [--size 320x180] [--frames 8] [--results benchmarks/results]

Makes random networks of the architecture Compact, of the sizes that are published (a x2, a x4 and a small one that
keeps the size), adds them with `sr4k model add` to a store of its own, and upscales a clip, a live pattern and a frame
in memory with each, and with the last before `luma`. Then `sr4k model bench` and OpenVINO's benchmark_app run the same
ONNX in turn, on pictures of 960x540. Needs the extra [convert]. What is measured is that they run, and at what rate:
random weights make no picture to look at.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import av
import numpy as np

from sr4k import Upscaler
from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.media.sample_pattern import draw

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent

NETWORKS = {"double": (2, 64, 16), "quadruple": (4, 64, 16), "clean": (1, 24, 8)}
"""Scale, features and layers of each network, by its name."""

_BENCHMARK_APP = "from openvino.tools.benchmark.main import main; main()"


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args(arguments)
    width, height = map(int, args.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SR4K_MODELS"] = str(Path(folder) / "models")
        found = measure(Path(folder), (width, height), args.frames, args.rounds)
    text = as_markdown(found)
    store(args.results, "own_networks", {"machine": machine.describe(), "size": args.size, "networks": found}, text)
    print(text)


def measure(work: Path, size: tuple[int, int], frames: int, rounds: int) -> dict[str, Any]:
    """Return by network what became of the clip, the live pattern and a frame in memory, and OpenVINO's own rate."""
    clip = write_clip(work / "in.mkv", size, frames)
    for name in NETWORKS:
        run("sr4k", "model", "add", str(checkpoint(work, name)), "--name", name)
    return {
        model: {
            "card": json.loads(run("sr4k", "model", "show", model, "--json")) if model in NETWORKS else None,
            "file": to_file(work, clip, model),
            "live": to_stream(work, size, model),
            "memory": in_memory(size, model),
            "openvino": beside_openvino(model, work, rounds) if model in NETWORKS else None,
        }
        for model in (*NETWORKS, "clean+luma")
    }


def checkpoint(folder: Path, name: str) -> Path:
    """Write a random network as PyTorch does."""
    import torch
    from resselt.archs.compact.arch import SRVGGNetCompact

    scale, features, layers = NETWORKS[name]
    torch.manual_seed(scale)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = SRVGGNetCompact(num_feat=features, num_conv=layers, upscale=scale)
    path = folder / f"{name}.pth"
    torch.save({"params": network.state_dict()}, path)
    return path


def write_clip(path: Path, size: tuple[int, int], frames: int) -> Path:
    """Write a clip of a moving pattern."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for k in range(frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(draw(5 * k, size), "bgr24")))
        out.mux(stream.encode(None))
    return path


def to_file(work: Path, clip: Path, model: str) -> dict[str, Any]:
    """Upscale the clip; return the size of the result and the rate."""
    out = work / f"{model}.mkv"
    done = json.loads(run("sr4k-stream", str(clip), str(out), "--model", model, "--json", "--quiet"))
    return {"size": [done["video"]["width"], done["video"]["height"]], "frames": done["frames"], "fps": done["fps"]}


def to_stream(work: Path, size: tuple[int, int], model: str) -> dict[str, Any]:
    """Record three seconds of a live pattern; return the size of the recording."""
    out, source = work / f"live-{model.replace('+', '-')}.ts", f"pattern://{size[0]}x{size[1]}@10?seconds=3"
    run("sr4k-stream", source, str(out), "--model", model, "--quiet")
    with av.open(str(out)) as recording:
        video = recording.streams.video[0]
        return {"size": [video.width, video.height], "frames": sum(1 for _ in recording.decode(video=0))}


def in_memory(size: tuple[int, int], model: str) -> dict[str, Any]:
    """Upscale a frame in memory; return the size of the result and the seconds of the second time."""
    frame = np.ascontiguousarray(draw(0, size)[..., ::-1])
    with Upscaler(model) as up:
        up(frame)
        began = time.perf_counter()
        made = up(frame)
        seconds = time.perf_counter() - began
    return {"size": [made.shape[1], made.shape[0]], "seconds": seconds}


def beside_openvino(model: str, work: Path, rounds: int) -> dict[str, Any]:
    """Return pictures a second of `sr4k model bench` and of benchmark_app, run in turn, and the median ratio."""
    graph = str(work / "models" / f"{model}.onnx")
    told = ("-m", graph, "-d", "CPU", "-hint", "throughput", "-t", "5", "-shape", "[1,3,540,960]")
    pairs = []
    for _ in range(rounds):
        ours = json.loads(run("sr4k", "model", "bench", model, "--size", "540p", "--rounds", "1", "--json"))
        command = [sys.executable, "-c", _BENCHMARK_APP, *told, "-infer_precision", "f32"]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        (theirs,) = re.findall(r"Throughput:\s+([\d.]+) FPS", said)
        pairs.append((1 / ours["seconds"], float(theirs)))
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    return {"pairs": pairs, "ratio": ratio, "load": os.getloadavg()[0]}


def run(program: str, *arguments: str) -> str:
    """Run a command of the product, and return what it prints; its errors are shown."""
    return subprocess.run([BIN / program, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def as_markdown(found: dict[str, Any]) -> str:
    """Return the table for people."""
    lines = [
        "| network | file | frames a second | live | in memory, s | 960x540, a second | of benchmark_app's rate |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, row in found.items():
        sizes = {way: "x".join(map(str, row[way]["size"])) for way in ("file", "live")}
        rate, seconds, beside = row["file"]["fps"], row["memory"]["seconds"], row["openvino"]
        ours = (
            f"{statistics.median(a for a, _ in beside['pairs']):.2f} | {100 * beside['ratio']:.0f} %"
            if beside
            else " | "
        )
        lines.append(f"| `{model}` | {sizes['file']} | {rate:.2f} | {sizes['live']} | {seconds:.3f} | {ours} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
