"""Take networks that others could have made through the product: file to file, live and in memory.

    python benchmarks/own_networks.py [--size 320x180] [--frames 8] [--results benchmarks/results]

Makes random networks of the architecture Compact, of the sizes that are published (a x2, a x4 and a small one that
keeps the size), adds them with `sr4k model add` to a store of its own, and upscales a clip, a live pattern and a frame
in memory with each, and with the last before `luma`. Then our engine and OpenVINO's benchmark_app run the same ONNX in
short turns, so that other work on the machine slows both. Told is how much of its rate is reached, in pictures a second
and in pictures a second of CPU time, which other work disturbs less: the median of the turns, and in brackets their
quartiles. Needs the extra [convert]. What is measured is that
they run, and at what rate: random weights make no picture to look at.
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from operator import truediv
from pathlib import Path
from typing import Any

import av
import numpy as np

from sr4k import Upscaler
from sr4k.bench import machine
from sr4k.bench.engine_alone import padded_planes
from sr4k.bench.foreign_network import turn_of
from sr4k.bench.report import store
from sr4k.engines import EngineSpec
from sr4k.engines.choose import engine_for
from sr4k.media.sample_pattern import draw
from sr4k.models.colour import Colour

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent

NETWORKS = {"double": (2, 64, 16), "quadruple": (4, 64, 16), "clean": (1, 24, 8)}
"""Scale, features and layers of each network, by its name."""

_BESIDE = (320, 180)
"""Size of the pictures that are computed beside benchmark_app."""

_TURN = 3
"""Seconds of a turn."""

_BENCHMARK_APP = "from openvino.tools.benchmark.main import main; main()"


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args(arguments)
    width, height = map(int, args.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SR4K_MODELS"] = str(Path(folder) / "models")
        found = measure(Path(folder), (width, height), args.frames, args.rounds)
    result = {"machine": machine.describe(), "size": args.size, "networks": found}
    text = as_markdown(result)
    store(args.results, "own_networks", result, text)
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
    """Return pictures a second of our engine and of benchmark_app, in turns, and quartiles of the ratios."""
    width, height = _BESIDE
    graph, loads = work / "models" / f"{model}.onnx", [os.getloadavg()[0]]
    start = min(of_benchmark_app(graph, "-niter", "1")[1:] for _ in range(3))  # CPU time, and pictures within it
    turns: dict[str, list[float]] = {"ours": [], "theirs": [], "ours_of_cpu": [], "theirs_of_cpu": []}
    spec = EngineSpec(model=model, height=height, width=width, colour=Colour())
    with engine_for("openvino", spec) as engine:
        turn = turn_of(engine, padded_planes(draw(0, _BESIDE)))
        turn()
        for _ in range(rounds):
            began, pictures = (time.perf_counter(), time.process_time()), 0.0
            while time.perf_counter() - began[0] < _TURN:
                pictures += turn()
            turns["ours"].append(pictures / (time.perf_counter() - began[0]))
            turns["ours_of_cpu"].append(pictures / (time.process_time() - began[1]))
            rate, cpu, count = of_benchmark_app(graph, "-t", str(_TURN))
            turns["theirs"].append(rate)
            turns["theirs_of_cpu"].append((count - start[1]) / (cpu - start[0]))
            loads.append(os.getloadavg()[0])
    found = {name: statistics.median(rates) for name, rates in turns.items()}
    ratios = {
        f"reached{of}": statistics.quantiles(map(truediv, turns[f"ours{of}"], turns[f"theirs{of}"]), method="inclusive")
        for of in ("", "_of_cpu")
    }
    return {"size": _BESIDE, **found, **ratios, "turns": turns, "loads": loads}


def of_benchmark_app(graph: Path, *length: str) -> tuple[float, float, int]:
    """Run OpenVINO's benchmark_app; return pictures a second, seconds of CPU time with its start, and pictures."""
    shape = f"[1,3,{_BESIDE[1]},{_BESIDE[0]}]"
    told = ("-m", str(graph), "-d", "CPU", "-hint", "throughput", "-shape", shape, "-infer_precision", "f32", *length)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", _BENCHMARK_APP, *told]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    (rate,), (count,) = re.findall(r"Throughput:\s+([\d.]+) FPS", said), re.findall(r"Count:\s+(\d+) iter", said)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(rate), cpu, int(count)


def run(program: str, *arguments: str) -> str:
    """Run a command of the product, and return what it prints; its errors are shown."""
    return subprocess.run([BIN / program, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def as_markdown(result: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    lines = [
        "# Networks of others",
        "",
        f"`python benchmarks/own_networks.py`; {machine.in_words(result['machine'])}",
        "",
        f"Compact networks with random weights: files and streams of {result['size']} and a frame in memory; then this "
        "engine and OpenVINO's benchmark_app in turns, in pictures a second.",
        "",
        "| network | file | fps | live | in memory, s | 320x180, fps | benchmark_app | reached | by CPU time |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for model, row in result["networks"].items():
        sizes = {way: "x".join(map(str, row[way]["size"])) for way in ("file", "live")}
        rate, seconds, beside = row["file"]["fps"], row["memory"]["seconds"], row["openvino"]
        ours = " | | | "
        if beside:
            ours = f"{beside['ours']:.2f} | {beside['theirs']:.2f} | {_share(beside['reached'])}"
            ours += f" | {_share(beside['reached_of_cpu'])}"
        lines.append(f"| `{model}` | {sizes['file']} | {rate:.2f} | {sizes['live']} | {seconds:.3f} | {ours} |")
    return "\n".join(lines) + "\n"


def _share(quartiles: list[float]) -> str:
    low, middle, high = (f"{100 * each:.0f}" for each in quartiles)
    return f"{middle} % ({low}-{high})"


if __name__ == "__main__":
    main()
