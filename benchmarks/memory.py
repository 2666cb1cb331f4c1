"""Compare frames in memory, by `sr4k.Upscaler.frames`, with the engine alone.

    python benchmarks/memory.py [--size 1080p] [--frames 24] [--rounds 5] [--results benchmarks/results]

In each round the engine alone computes as many frames as `sr4k.Upscaler` then does, with the same network, number of
threads and frames in flight: on planes of 4:2:0, as ``sr4k bench --part engine`` has them, and on RGB. Four pictures come in turn, so that
no part of one is like that of the picture before it. What is compared is the time from the first frame given to the last
result; load of the machine affects both sides alike.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
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
from sr4k.media.sample_pattern import draw
from sr4k.models.colour import Colour
from sr4k.models.geometry import PAD_AFTER, PAD_BEFORE

HERE = Path(__file__).parent
PICTURES = 4

Planes = list[NDArray[Any]]


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
    """Time both sides in turn, on planes and on RGB; return frames per second and ratios of all rounds."""
    pictures = [draw(25 * k, size) for k in range(PICTURES)]
    result: dict[str, Any] = {"machine": machine.describe(), "size": list(size), "frames": frames, "forms": {}}
    for form, given, upscaled in (
        ("planes", [planes_of(picture) for picture in pictures], Upscaler.yuv420_frames),
        ("RGB", pictures, Upscaler.frames),
    ):
        colour = Colour() if form == "planes" else None
        spec = EngineSpec(model="luma", height=size[1], width=size[0], colour=colour)
        with create_engine(engines_for("auto")[0], spec) as engine, Upscaler("luma") as up:
            sides: dict[str, Callable[[int], object]] = {
                "engine": lambda count, engine=engine, inputs=[inputs(each, colour) for each in pictures]: run(
                    engine, islice(cycle(inputs), count)
                ),
                "memory": lambda count, up=up, given=given, upscaled=upscaled: exhaust(
                    upscaled(up, islice(cycle(given), count))
                ),
            }
            for side in sides.values():
                side(engine.in_flight)  # the network is compiled, and the memory taken
            result["forms"][form] = timed(sides, frames, rounds)
    return result
