"""Measure plain chains of int8 convolutions on the CPU backend: a lower bound on the time of networks made of them.

    python benchmarks/conv_rates.py [--results benchmarks/results]

Eleven 3x3 convolutions in sequence, as many as in the body of RCAN2, on feature maps of a 1080p frame, with 16, 32 and
64 features: rounding and saturation between them as in the luma networks, no skips, no head, no tail. Also the tail of
RCAN2 alone, 5x5 from 16 to 24 features. Threads and streams are those of the engine.
"""

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.engines.cpu import granted_cpus
from sr4k.engines.openvino_library import ov, shared_core
from sr4k.models.geometry import MARGIN

HERE = Path(__file__).parent
ROUNDS, PICTURES = 7, 6
CELLS = (540 + 2 * MARGIN, 960 + 2 * MARGIN)


@dataclass(frozen=True)
class Chain:
    """A chain of convolutions with square kernels of ``side``, from ``features`` to ``outputs`` channels."""

    layers: int
    side: int
    features: int
    outputs: int

    @property
    def gmac(self) -> float:
        """Multiply-accumulates per frame, in 1e9."""
        return self.layers * self.side**2 * self.features * self.outputs * CELLS[0] * CELLS[1] / 1e9

    def __str__(self) -> str:
        return f"{self.layers} of {self.side}x{self.side}, {self.features} to {self.outputs}"


CHAINS = (*(Chain(11, 3, features, features) for features in (16, 32, 64)), Chain(1, 5, 16, 24))


def main() -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    times = [milliseconds(chain) for chain in CHAINS]
    found = {str(chain): {"gmac": chain.gmac, "ms": ms} for chain, ms in zip(CHAINS, times, strict=True)}
    result = {"machine": machine.describe(), "cells": CELLS, "chains": found}
    text = as_markdown(result)
    store(args.results, "conv_rates", result, text)
    print(text)


def milliseconds(chain: Chain) -> list[float]:
    """Return the milliseconds per frame of each round."""
    threads = granted_cpus()
    core = shared_core()
    streams = min(2, threads)
    config = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": streams, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(graph_of(chain).SerializeToString()), "CPU", config)
    queue = ov.AsyncInferQueue(compiled, streams + 1)
    picture = np.random.default_rng(0).integers(-128, 128, (1, chain.features, *CELLS), np.int8)

    def once() -> float:
        began = time.perf_counter()
        for _ in range(PICTURES):
            queue.start_async([picture])
        queue.wait_all()
        return 1e3 * (time.perf_counter() - began) / PICTURES

    once()
    return [once() for _ in range(ROUNDS)]


def graph_of(chain: Chain) -> onnx.ModelProto:
    """Return the chain as an ONNX graph with int8 input and output, in QDQ form."""
    rng = np.random.default_rng(0)
    constants = [
        numpy_helper.from_array(np.asarray(v), k) for k, v in (("step", np.float32(0.1)), ("zero", np.int8(0)))
    ]
    nodes, x = [helper.make_node("DequantizeLinear", ["x", "step", "zero"], ["d"])], "d"
    for layer in range(chain.layers):
        weights = rng.integers(-127, 128, (chain.outputs, chain.features, chain.side, chain.side), dtype=np.int8)
        scale = np.full(chain.outputs, 0.3 / np.sqrt(chain.side**2 * chain.features) / 127, np.float32)
        values = {"w": weights, "s": scale, "z": np.zeros_like(scale, np.int8), "b": np.zeros_like(scale)}
        constants += [numpy_helper.from_array(value, f"{key}{layer}") for key, value in values.items()]
        nodes += [
            helper.make_node("DequantizeLinear", [f"w{layer}", f"s{layer}", f"z{layer}"], [f"k{layer}"], axis=0),
            helper.make_node("Conv", [x, f"k{layer}", f"b{layer}"], [f"c{layer}"], pads=[chain.side // 2] * 4),
            helper.make_node("QuantizeLinear", [f"c{layer}", "step", "zero"], [f"q{layer}"]),
        ]
        x = f"q{layer}"
        if layer < chain.layers - 1:
            nodes.append(helper.make_node("DequantizeLinear", [x, "step", "zero"], [f"d{layer}"]))
            x = f"d{layer}"
    channels = {"x": chain.features, x: chain.outputs}
    ends = [helper.make_tensor_value_info(name, TensorProto.INT8, [1, c, *CELLS]) for name, c in channels.items()]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def as_markdown(result: dict[str, Any]) -> str:
    """Return a Markdown page with one row per chain."""
    rows, columns = result["cells"]
    lines = [
        "# Chains of int8 convolutions",
        "",
        f"`python benchmarks/conv_rates.py`; {machine.in_words(result['machine'])}",
        "",
        f"In sequence on {rows}x{columns} cells, OpenVINO, all granted CPUs.",
        "",
        "| layers | GMAC | ms per frame | range | GMAC/s |",
        "|---|---|---|---|---|",
    ]
    for name, found in result["chains"].items():
        ms, spread = statistics.median(found["ms"]), f"{min(found['ms']):.1f}-{max(found['ms']):.1f}"
        lines.append(f"| {name} | {found['gmac']:.1f} | {ms:.1f} | {spread} | {1e3 * found['gmac'] / ms:.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
