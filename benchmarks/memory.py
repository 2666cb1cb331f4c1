"""Compare frames in memory, by `sr4k.Upscaler`, with the engine alone.

    python benchmarks/memory.py [--size 1080p] [--frames 24] [--rounds 5] [--results benchmarks/results]

In each round the engine alone computes as many frames as the `Upscaler` then does, with the same network, threads and
frames in flight: on planes of 4:2:0, as ``sr4k bench --part engine`` does, and on RGB. Four pictures come in turn, so
that no part of one is like that of the picture before it. Compared are the time from the first frame to the last
result, and the CPU time, which other load of the machine affects less.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr4k import Upscaler
from sr4k.bench import InputSize, machine
from sr4k.bench.engine_alone import padded_planes
from sr4k.bench.report import store
from sr4k.engines import Engine, EngineSpec, create_engine
from sr4k.engines.choose import engines_for
from sr4k.media.planes import inside
from sr4k.media.sample_pattern import draw
from sr4k.models.colour import Colour
from sr4k.models.geometry import PAD_AFTER, PAD_BEFORE

HERE = Path(__file__).parent
MODEL = "luma"
PICTURES = 4

Array = NDArray[Any]
Side = Callable[[int], None]


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=InputSize, default=InputSize("1080p"))
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args(arguments)
    result = compare(args.size.pixels, args.frames, args.rounds)
    text = as_markdown(result)
    store(args.results, "memory", result, text)
    print(text)


def compare(size: tuple[int, int], frames: int, rounds: int) -> dict[str, Any]:
    """Time both sides in turn, on planes and on RGB, and return all rounds."""
    pictures = [draw(25 * k, size) for k in range(PICTURES)]
    forms: dict[str, Any] = {}
    for form in ("planes", "RGB"):
        colour = Colour() if form == "planes" else None
        spec = EngineSpec(model=MODEL, height=size[1], width=size[0], colour=colour, rounded=True)
        with create_engine(engines_for("auto")[0], spec) as engine, Upscaler(MODEL) as up:
            padded = [padded_rgb(each) if colour is None else padded_planes(each) for each in pictures]
            if colour is None:
                memory = repeated(up.frames, pictures)
            else:
                memory = repeated(up.yuv420_frames, [inside(*planes, size) for planes in padded])
            sides = {"engine": alone(engine, padded), "memory": memory}
            for side in sides.values():
                side(engine.in_flight)  # networks are compiled, and memory is taken
            forms[form] = [{name: timed(side, frames) for name, side in sides.items()} for _ in range(rounds)]
        print(form, [ratios(row) for row in forms[form]], file=sys.stderr, flush=True)
    about = {"machine": machine.describe(), "load": os.getloadavg()[1]}
    return {**about, "size": list(size), "frames": frames, "forms": forms}


def padded_rgb(picture: Array) -> list[Array]:
    """Return an engine's input for a picture (H, W, 3)."""
    around = (PAD_BEFORE, PAD_AFTER)
    planes = np.pad(np.moveaxis(picture, 2, 0), ((0, 0), around, around), mode="edge")
    return [np.ascontiguousarray(planes, np.float32)]


def alone(engine: Engine, inputs: list[list[Array]]) -> Side:
    """Return what runs an engine, as full as it may be, on a number of frames."""

    def run(frames: int) -> None:
        submitted = 0
        for _ in range(frames):
            while submitted < frames and engine.pending < engine.in_flight:
                engine.submit(inputs[submitted % len(inputs)])
                submitted += 1
            engine.result()

    return run


def repeated(upscaled: Callable[[Iterable[Any]], Iterable[Any]], given: list[Any]) -> Side:
    """Return what upscales a number of frames, and drops each result."""

    def run(frames: int) -> None:
        for _ in upscaled(islice(cycle(given), frames)):
            pass

    return run


def timed(side: Side, frames: int) -> dict[str, float]:
    """Return seconds per frame: of wall clock, and of all CPUs together."""
    began, cpu = time.perf_counter(), time.process_time()
    side(frames)
    return {"wall": (time.perf_counter() - began) / frames, "cpu": (time.process_time() - cpu) / frames}


def ratios(row: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the throughput of frames in memory divided by the engine's, by either clock."""
    return {clock: row["engine"][clock] / row["memory"][clock] for clock in ("wall", "cpu")}


def as_markdown(result: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    width, height = result["size"]
    lines = [
        "# Frames in memory",
        "",
        f"`python benchmarks/memory.py`; {machine.in_words(result['machine'])}; {width}×{height}, network `{MODEL}`, "
        f"{result['frames']} frames a round, engine and `Upscaler` in turn. Medians; all ratios in brackets. "
        f"Load average of the machine: {result['load']:.0f}.",
        "",
        "| frames | engine alone, frames/s | `Upscaler`, frames/s | throughput to the engine's | engine, CPU ms/frame "
        "| `Upscaler`, CPU ms/frame | engine's CPU time to `Upscaler`'s |",
        "|---|---|---|---|---|---|---|",
    ]
    for form, rows in result["forms"].items():
        cells = [form, *(f"{1 / median(rows, side, 'wall'):.2f}" for side in ("engine", "memory")), share(rows, "wall")]
        cells += [*(f"{1e3 * median(rows, side, 'cpu'):.0f}" for side in ("engine", "memory")), share(rows, "cpu")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def median(rows: list[dict[str, Any]], side: str, clock: str) -> float:
    """Return the median of all rounds in seconds per frame."""
    return statistics.median(row[side][clock] for row in rows)


def share(rows: list[dict[str, Any]], clock: str) -> str:
    """Return the median ratio of the rounds, and all of them."""
    found = [ratios(row)[clock] for row in rows]
    return f"**{statistics.median(found):.0%}** ({', '.join(f'{ratio:.0%}' for ratio in found)})"


if __name__ == "__main__":
    main()
