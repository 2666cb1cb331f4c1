"""More cores and GPUs than there are here, simulated: how many frames a second they would give, and what limits them.

    python benchmarks/scale.py [--measure] [--bench benchmarks/results/bench.json] [--results benchmarks/results]

Simulates the graph (`simulated_graph.py`) with the seconds that `sr4k bench` measured for each stage, on 4 to 64 cores
and up to 8 GPUs, for one video and for one video for every 4 cores at once. What was measured of whole pipelines stands
beside what the simulation makes of the same machine. ``--measure`` takes the stages' CPU seconds here and now instead,
a minute or two.
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
"""How many GPUs, and whether they encode."""

LANES = (1, 2, 4, 8, 16)
LOADS: dict[str, Callable[[int], int]] = {"One video": lambda _cores: 1, "A video for every 4 cores": lambda n: n // 4}
"""How many videos at once, by cores."""

ENOUGH = 0.99
"""Share of the highest rate that the fewest lanes must reach."""

THREADED = ("decode", "infer", "encode")
OWN_SHARE = {"decode": 0.09, "encode": 0.055}
"""Of a codec's CPU seconds, what its worker's own thread does; ``--measure`` takes it anew."""


def main() -> None:
    """Simulate, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="take the stages' CPU seconds here and now")
    parser.add_argument("--bench", type=Path, default=HERE / "results" / "bench.json")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    figure = new_figure(11, 4.5)  # a missing matplotlib is told before minutes of simulating
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
    """The simulation gives what can be computed by hand."""
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
    """By a stage with threads while it was measured alone: what makes the stages' sum the pipeline's CPU seconds.

    All cores of a machine to itself; fewer where other programs ran as well, or where a codec filled and emptied.
    """
    stages, pipeline = bench["sizes"][SIZE]["stages"], bench["sizes"][SIZE]["pipeline"]
    threaded = sum(stages[name] for name in THREADED)
    return float((pipeline["cpu_seconds_a_frame"] - sum(stages.values()) + threaded) / threaded)


def from_bench(bench: dict[str, Any]) -> dict[str, Work]:
    """Seconds of each stage alone, times the cores that it kept busy; by size of the input."""
    busy = cores_kept_busy(bench)
    return {
        size: as_work({name: seconds * (busy if name in THREADED else 1) for name, seconds in found["stages"].items()})
        for size, found in bench["sizes"].items()
        if {"stages", "pipeline"} <= found.keys()
    }


def measured(rounds: int = 3) -> Work:
    """CPU seconds of each stage alone, and the part of its own thread; the least of the rounds."""
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
    """By the threads that do it."""
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
    """What was measured of whole pipelines, and what the simulation makes of the same machine."""
    on = Machine(bench["machine"]["cores_granted"])
    rows = []
    for size, work in works.items():
        pipeline, made = bench["sizes"][size]["pipeline"], simulate(work, on)
        row = {"size": size, "cores": on.cores, "measured": pipeline["fps"], "rounds": pipeline["rounds"]}
        rows.append(row | {"simulated": made["fps"], "ratio": made["fps"] / pipeline["fps"], "limit": made["limit"]})
    return rows


def points(work: Work, videos: Callable[[int], int]) -> dict[str, list[dict[str, Any]]]:
    """Over cores, by what there is beside these."""
    found = {}
    for gpus, nvenc in HARDWARE:
        name = f"{gpus} GPU{'s' * (gpus > 1)} + {'NVENC' if nvenc else 'x264'}" if gpus else "CPUs alone, x264"
        found[name] = [best(work, Machine(cores, gpus, nvenc), videos(cores)) for cores in CORES]
        print(name, [round(point["fps"], 1) for point in found[name]], file=sys.stderr, flush=True)
    return found


def best(work: Work, on: Machine, videos: int) -> dict[str, Any]:
    """On the fewest lanes that are fast enough; the rates of other numbers of lanes beside it."""
    runs = [simulate(work, on, videos=videos, lanes=lanes) for lanes in LANES if lanes * videos <= on.cores]
    rates = {run["lanes"]: run["fps"] for run in runs}
    return next(run for run in runs if run["fps"] >= ENOUGH * max(rates.values())) | {"fps_by_lanes": rates}


def as_markdown(result: dict[str, Any]) -> str:
    """The result as a page."""
    work, busy = result["work"], result["cores_kept_busy"]
    source = (
        "the CPU seconds that the stages took alone, by the clocks of the process and of the stage's own thread"
        if busy is None
        else f"the seconds that the stages took alone in [bench](bench.md); those with threads ({', '.join(THREADED)}) "
        f"kept {busy:.2f} cores busy meanwhile, which makes the sum of all the CPU seconds of the pipeline at {SIZE}"
    )
    lines = [
        "# More cores, more GPUs",
        "",
        f"**Simulated**, from measured seconds of the stages and from assumptions. `{result['command']}`; measured on "
        f"{machine.in_words(result['machine'])}; {SIZE} to 4K, libx264 superfast, every frame computed.",
        "",
        "## What goes in",
        "",
        f"CPU seconds a frame, from {source}:",
        "",
        f"| {' | '.join(name.replace('_own', ', own thread') for name in work)} | all |",
        "|---|" + "---|" * len(work),
        f"| {' | '.join(f'{seconds:.4f}' for seconds in work.values())} | {sum(work.values()):.4f} |",
        "",
        "Own thread: the codecs share out most of their work to threads of their own; the rest is the worker's, frame "
        "after frame (shares by `--measure`).",
        "",
        "Assumed:",
        "",
        ASSUMED,
        "## Beside what was measured",
        "",
        "| input | cores | frames/s measured | of rounds | simulated | simulated / measured | limit |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["validation"]:
        spread = f"{min(row['rounds']):.2f}-{max(row['rounds']):.2f}"
        lines.append(
            f"| {row['size']} | {row['cores']} | {row['measured']:.2f} | {spread} | {row['simulated']:.2f} "
            f"| **{row['ratio']:.2f}** | {row['limit']} |"
        )
    if busy is not None:
        lines += ["", f"The work at {SIZE} adds up to the pipeline's by construction; that of other sizes does not."]
    lines += ["", "Below: frames a second, lanes of a video, what limits (`encode`: its own thread), how busy."]
    for load, found in result["points"].items():
        lines += ["", f"## {load}", ""]
        lines += [f"| | {' | '.join(f'{cores} cores' for cores in CORES)} |", "|---|" + "---|" * len(CORES)]
        lines += [f"| {name} | {' | '.join(map(cell, row))} |" for name, row in merged(found).items()]
    return "\n".join(lines) + "\n"


def merged(found: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """What gives the same rates is one row."""
    groups = defaultdict[tuple[float, ...], list[str]](list)
    for name, row in found.items():
        groups[tuple(round(point["fps"], 1) for point in row)].append(name)
    return {" to ".join(dict.fromkeys((names[0], names[-1]))): found[names[0]] for names in groups.values()}


def cell(point: dict[str, Any]) -> str:
    """Of a table."""
    use = point["use"].get(point["limit"])
    return f"**{point['fps']:.1f}**, {point['lanes']}, {point['limit']}" + ("" if use is None else f" {use:.0%}")


def plot(found: dict[str, Any], figure: Any) -> None:
    """Frames a second over cores."""
    for axes, (load, rows) in zip(figure.subplots(1, 2, sharey=True), found.items(), strict=True):
        for name, row in merged(rows).items():
            axes.plot(CORES, [point["fps"] for point in row], "s--" if row[0]["nvenc"] else "o-", label=name)
        axes.set(title=load.lower(), xlabel="cores", xscale="log", yscale="log")
        axes.set_xticks(CORES, [str(cores) for cores in CORES])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.suptitle("frames a second, 1080p to 4K, simulated")


if __name__ == "__main__":
    main()
