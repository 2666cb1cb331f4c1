"""Measure the ends of OpenVINO's graph on the CPU: how luma goes in, and how the sub-pixels come out.

    python benchmarks/engine_ends.py [--models luma luma-fast] [--rounds 9] [--results benchmarks/results]

The same int8 network as four graphs: luma as a plane or as cells of 2x2 pixels, sub-pixels of luma and chroma joined or
apart. A fifth computes no chroma, which bounds what can be gained there. All are compiled as the engine compiles them,
and run in turn on 1080p frames with as many in flight as the engine has; the median of the rounds counts.
"""

import argparse
import statistics
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from sr4k.bench import InputSize, machine
from sr4k.bench.report import store
from sr4k.engines import EngineSpec
from sr4k.engines.openvino_library import ov, shared_core
from sr4k.engines.openvino_models import CPU, plan, streams_of
from sr4k.models.colour import Colour
from sr4k.models.export import to_onnx

HERE = Path(__file__).parent
FRAMES = 12
FORMS = {
    "plane in, joined out": {"cells": False, "apart": False},
    "cells in, joined out": {"cells": True, "apart": False},
    "plane in, apart out": {"cells": False, "apart": True},
    "cells in, apart out": {"cells": True, "apart": True},
    "the same, chroma by two cells: the engine": {"cells": True, "apart": True, "pairs": True},
}
"""Arguments of `to_onnx` by name; the first is the baseline."""

NO_CHROMA = "the same without chroma"


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["luma", "luma-fast"])
    parser.add_argument("--size", type=InputSize, default=InputSize("1080p"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args(arguments)
    result = {
        "machine": machine.describe(),
        "size": str(args.size),
        "models": {model: measured(model, args.size.pixels, args.rounds) for model in args.models},
    }
    text = as_markdown(result)
    store(args.results, "engine_ends", result, text)
    print(text)


def measured(model: str, size: tuple[int, int], rounds: int) -> dict[str, list[float]]:
    """Return the frames per second of each form, round by round."""
    width, height = size
    spec = EngineSpec(model=model, height=height, width=width, colour=Colour(), precision="int8")
    core = shared_core()
    made = plan(core, CPU, spec)
    quantized = spec.network().quantized(spec.colour)
    graphs = {
        name: core.read_model(to_onnx(quantized, height, width, **form).SerializeToString())
        for name, form in FORMS.items()
    }
    whole = core.read_model(made.graph)
    graphs[NO_CHROMA] = ov.Model(whole.get_results()[:1], [whole.input("luma").get_node()], "luma")
    networks = {name: core.compile_model(graph, CPU, dict(made.config)) for name, graph in graphs.items()}
    return in_turn(model, {name: ready(network, streams_of(spec) + 1) for name, network in networks.items()}, rounds)


def in_turn(title: str, requests: dict[str, list[Any]], rounds: int) -> dict[str, list[float]]:
    """Return the frames per second of each network's requests, which run in turn, round by round."""
    found: dict[str, list[float]] = {name: [] for name in requests}
    for number in range(rounds + 1):
        for name, several in requests.items():
            rate = rate_of(several)
            if number:  # the first round allocates memory
                found[name].append(rate)
        print(f"{title}, round {number}", file=sys.stderr)
    return found


def ready(network: Any, count: int) -> list[Any]:
    """Return requests with a picture of noise."""
    draw = np.random.default_rng(0)
    requests = [network.create_infer_request() for _ in range(count)]
    for request in requests:
        for tensor in request.input_tensors:
            tensor.data[...] = draw.integers(16, 236, tensor.shape)
    return requests


def rate_of(requests: list[Any]) -> float:
    """Return the frames per second with all requests in flight."""
    began, running = time.perf_counter(), deque[Any]()
    for number in range(FRAMES):
        request = requests[number % len(requests)]
        if len(running) == len(requests):
            running.popleft().wait()
        request.start_async()
        running.append(request)
    for request in running:
        request.wait()
    return FRAMES / (time.perf_counter() - began)


def as_markdown(result: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    models = result["models"]
    lines = [
        "# The ends of the engine's graph",
        "",
        f"`python benchmarks/engine_ends.py`; {machine.in_words(result['machine'])}",
        "",
        f"Frames per second at {result['size']} in int8, the median, and its ratio to the first row.",
        "",
        f"| graph | {' | '.join(models)} |",
        "|---|" + "---|" * len(models),
    ]
    for name in (*FORMS, NO_CHROMA):
        cells = []
        for rounds in models.values():
            first, rate = statistics.median(next(iter(rounds.values()))), statistics.median(rounds[name])
            cells.append(f"{rate:.2f}, **{rate / first:.2f}**")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
