"""Simulate machines with more cores and GPUs: their frames per second, and what limits them.

    python benchmarks/scale.py [--measure] [--bench benchmarks/results/bench.json] [--results benchmarks/results]

Simulates the graph (`simulated_graph.py`) with the seconds that `sr4k bench` measured for each stage, on 4 to 64 cores
and up to 8 GPUs, for one video and for one video per 4 cores at once. For validation, measured rates of whole pipelines
are compared with simulated ones of the same machine. ``--measure`` measures the CPU seconds of the stages now instead,
which takes a minute or two.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from simulated_graph import ASSUMED, Machine, Work, simulate

from sr4k import load_preset
from sr4k.bench import InputSize, machine
from sr4k.bench.report import store
from sr4k.bench.whole import stages_alone
from sr4k.common.plotting import new_figure
from sr4k.sample import write_sample

HERE = Path(__file__).parent
SIZE = InputSize.P1080
CORES = (4, 8, 16, 32, 64)
HARDWARE = ((0, False), *product((1, 2, 4, 8), (False, True)))
"""Numbers of GPUs, each with and without NVENC."""

LANES = (1, 2, 4, 8, 16)
LOADS: dict[str, Callable[[int], int]] = {"One video": lambda _cores: 1, "One video per 4 cores": lambda n: n // 4}
"""Number of concurrent videos as a function of the cores, by name of the load."""

ENOUGH = 0.99
"""Share of the highest rate that counts as fast enough: the fewest lanes that reach it are chosen."""

THREADED = ("decode", "infer", "encode")
OWN_SHARE = {"decode": 0.09, "encode": 0.055}
"""Share of a codec's CPU seconds in the worker's own thread; ``--measure`` measures it again."""


def main() -> None:
    """Simulate all machines, print the results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure the CPU seconds of the stages now")
    parser.add_argument("--bench", type=Path, default=HERE / "results" / "bench.json")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    figure = new_figure(11, 4.5)  # so that a missing matplotlib is reported before minutes of simulation
    check()
    bench = json.loads(args.bench.read_text())
    works: dict[str, Work] = {SIZE: measured()} if args.measure else from_bench(bench)
    result = {
        "command": "python benchmarks/scale.py" + " --measure" * args.measure,
        "machine": machine.describe() if args.measure else bench["machine"],
        "cores_kept_busy": None if args.measure else cores_kept_busy(bench),
        "work": asdict(works[SIZE]),
        "validation": validation(bench, works),
        "points": {load: points(works[SIZE], videos) for load, videos in LOADS.items()},
    }
    text = as_markdown(result)
    store(args.results, "scale", result, text)
    plot(result["points"], figure)
    figure.savefig(args.results / "scale.png", dpi=100)
    print(text)


def check() -> None:
    """Check the simulation against rates that can be computed by hand.

    Raises:
        AssertionError: A rate is off by more than 2 %.
    """
    work = Work(decode=0.01, decode_own=0.001, preprocess=0, infer=0.2, reconstruct=0.01, encode=0.1, encode_own=0.02)
    for on, lanes, rate in (
        (Machine(cores=2), 1, 2 / sum(asdict(work).values())),  # too few cores
        (Machine(cores=400), 16, 1 / work.encode_own),  # one thread that feeds the encoder
        (Machine(cores=400, gpus=1), 1, 1 / work.encode_own),
        (Machine(cores=400, gpus=1, nvenc=True), 4, 1 / work.encode_own),
    ):
        fps = simulate(work, on, lanes=lanes)["fps"]
        assert abs(fps / rate - 1) < 0.02, f"{on}, {lanes} lanes: {fps:.2f} frames/s, not {rate:.2f}"


def cores_kept_busy(bench: dict[str, Any]) -> float:
    """Return the mean number of cores that a multithreaded stage kept busy while it was measured alone.

    It is the factor that makes the sum of the stages equal the CPU seconds of the pipeline: all cores of an otherwise
    idle machine, fewer if other programs ran too or while a codec filled and drained.
    """
    stages, pipeline = bench["sizes"][SIZE]["stages"], bench["sizes"][SIZE]["pipeline"]
    threaded = sum(stages[name] for name in THREADED)
    return float((pipeline["cpu_seconds_a_frame"] - sum(stages.values()) + threaded) / threaded)


def from_bench(bench: dict[str, Any]) -> dict[str, Work]:
    """Return the work by input size: seconds of each stage alone, times the cores that it kept busy."""
    busy = cores_kept_busy(bench)
    return {
        size: as_work({name: seconds * (busy if name in THREADED else 1) for name, seconds in found["stages"].items()})
        for size, found in bench["sizes"].items()
        if {"stages", "pipeline"} <= found.keys()
    }


def measured(rounds: int = 3) -> Work:
    """Measure the CPU seconds of each stage alone, and those of its own thread; the minimum of the rounds counts."""
    preset = load_preset("file").updated("engine", reuse=False)
    with tempfile.TemporaryDirectory() as folder:
        clip, target = Path(folder) / "clip.mp4", Path(folder) / "out.mp4"
        write_sample(clip, seconds=1, size=SIZE.pixels)
        runs = [
            [stages_alone(clip, target, preset, clock=clock) for clock in (time.process_time, time.thread_time)]
            for _ in range(rounds)
        ]
    cpu, own = ({name: min(run[k][name] for run in runs) for name in runs[0][k]} for k in range(2))
    shares = {name: own[name] / cpu[name] for name in OWN_SHARE}
    print(f"CPU s a frame: {cpu}; share of the own thread: {shares}", file=sys.stderr)
    return as_work(cpu, shares)


def as_work(cpu: dict[str, float], own: dict[str, float] = OWN_SHARE) -> Work:
    """Return the work of a frame from CPU seconds by stage and the shares of the codecs' own threads."""
    return Work(
        decode=cpu["decode"] * (1 - own["decode"]),
        decode_own=cpu["decode"] * own["decode"],
        preprocess=cpu["preprocess"],
        infer=cpu["infer"],
        reconstruct=cpu["reconstruct"] + cpu["convert"],
        encode=cpu["encode"] * (1 - own["encode"]),
        encode_own=cpu["encode"] * own["encode"],
    )


def validation(bench: dict[str, Any], works: dict[str, Work]) -> list[dict[str, Any]]:
    """Return measured rates of whole pipelines beside simulated ones of the same machine."""
    on = Machine(bench["machine"]["cores_granted"])
    rows = []
    for size, work in works.items():
        pipeline, made = bench["sizes"][size]["pipeline"], simulate(work, on)
        row = {"size": size, "cores": on.cores, "measured": pipeline["fps"], "rounds": pipeline["rounds"]}
        rows.append(row | {"simulated": made["fps"], "ratio": made["fps"] / pipeline["fps"], "limit": made["limit"]})
    return rows


def points(work: Work, videos: Callable[[int], int]) -> dict[str, list[dict[str, Any]]]:
    """Return the results for all numbers of cores, by name of the other hardware."""
    found = {}
    for gpus, nvenc in HARDWARE:
        name = f"{gpus} GPU{'s' * (gpus > 1)} + {'NVENC' if nvenc else 'x264'}" if gpus else "CPUs alone, x264"
        found[name] = [best(work, Machine(cores, gpus, nvenc), videos(cores)) for cores in CORES]
        print(name, [round(point["fps"], 1) for point in found[name]], file=sys.stderr, flush=True)
    return found


def best(work: Work, on: Machine, videos: int) -> dict[str, Any]:
    """Return the result with the fewest lanes that are fast enough, with the rates of other numbers of lanes."""
    runs = [simulate(work, on, videos=videos, lanes=lanes) for lanes in LANES if lanes * videos <= on.cores]
    rates = {run["lanes"]: run["fps"] for run in runs}
    return next(run for run in runs if run["fps"] >= ENOUGH * max(rates.values())) | {"fps_by_lanes": rates}


def as_markdown(result: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    work, busy = result["work"], result["cores_kept_busy"]
    source = (
        "by the clocks of the process and of the stage's own thread"
        if busy is None
        else f"from [bench](bench.md): seconds alone, of {', '.join(THREADED)} times {busy:.2f}, the cores that they "
        "kept busy if the sum is to be the pipeline's"
    )
    lines = [
        "# More cores, more GPUs",
        "",
        f"**Simulated**, from measured seconds of the stages and from assumptions. `{result['command']}`; measured on "
        f"{machine.in_words(result['machine'])}; {SIZE} to 4K, libx264 at its usual speed, every frame computed.",
        "",
        "![Frames per second by cores](scale.png)",
        "",
        "| frames/s, and what limits them | " + " | ".join(f"{cores} cores" for cores in CORES) + " |",
        "|---|" + "---|" * len(CORES),
    ]
    for load, found in result["points"].items():
        lines += [f"| {load}: {name} | {' | '.join(map(cell, row))} |" for name, row in merged(found).items()]
    lines += [
        "",
        "`cores`: all are busy; `encode`: the thread that feeds the encoder is; `waiting`: nothing is always busy. "
        "`scale.json` has the lanes of each video, and how busy the limit is.",
        "",
        "| the same machine | frames/s measured | range | simulated | simulated / measured |",
        "|---|---|---|---|---|",
    ]
    for row in result["validation"]:
        spread = f"{min(row['rounds']):.2f}-{max(row['rounds']):.2f}"
        lines.append(
            f"| {row['size']}, {row['cores']} cores | {row['measured']:.2f} | {spread} | {row['simulated']:.2f} "
            f"| **{row['ratio']:.2f}** |"
        )
    seconds = ", ".join(f"{name.replace('_own', ' (own thread)')} {1e3 * spent:.1f}" for name, spent in work.items())
    lines += [
        "",
        f"CPU milliseconds per frame at {SIZE}, {source}: {seconds}; together {1e3 * sum(work.values()):.1f}.",
        "",
        "Assumed:",
        "",
        ASSUMED,
    ]
    return "\n".join(lines)


def merged(found: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Merge hardware with the same rates into one row."""
    groups = defaultdict[tuple[float, ...], list[str]](list)
    for name, row in found.items():
        groups[tuple(round(point["fps"], 1) for point in row)].append(name)
    return {" to ".join(dict.fromkeys((names[0], names[-1]))): found[names[0]] for names in groups.values()}


def cell(point: dict[str, Any]) -> str:
    """Return one cell of a table."""
    return f"{point['fps']:.1f} {point['limit']}"


def plot(found: dict[str, Any], figure: Any) -> None:
    """Plot frames per second by cores."""
    for axes, (load, rows) in zip(figure.subplots(1, 2, sharey=True), found.items(), strict=True):
        for name, row in merged(rows).items():
            axes.plot(CORES, [point["fps"] for point in row], "s--" if row[0]["nvenc"] else "o-", label=name)
        axes.set(title=load.lower(), xlabel="cores", xscale="log", yscale="log")
        axes.set_xticks(CORES, [str(cores) for cores in CORES])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.suptitle("frames per second, 1080p to 4K, simulated")


if __name__ == "__main__":
    main()
