"""The CPU's time to launch what becomes of a picture in GPU memory: this package's code and NVIDIA's bindings.

    python benchmarks/launch_cost.py [--results benchmarks/results]

A stand-in for the driver (tests/support/stand_in_driver.c) takes launches and does nothing, so that the driver's own
time, and PyTorch's to tell and order streams, are not in it. Needs gcc and the extra ``[cuda]``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from extras import required

torch = required("torch")

from sr4k.bench import machine  # noqa: E402
from sr4k.bench.report import store  # noqa: E402

STAND_IN = Path(__file__).parents[1] / "tests" / "support" / "stand_in_driver.c"

_ROUNDS, _LAUNCHES = 50, 200


def main() -> None:
    """Measure in a process that finds the stand-in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measured()))
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", f"{folder}/libcuda.so.1", STAND_IN], check=True)
        environment = {**os.environ, "LD_LIBRARY_PATH": folder}
        done = subprocess.run(
            [sys.executable, __file__, "--measure"], env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    found = json.loads(done.stdout)
    about = machine.describe()
    lines = [
        "# The CPU's time to launch a picture",
        "",
        f"`python benchmarks/launch_cost.py`; {machine.in_words(about)}",
        "",
        "A picture of NVDEC's is padded in one launch, and upscaled by `luma` in one, by NVIDIA's bindings, with a "
        "driver that does nothing. `Upscaler.tensor` takes three launches: RGB to planes, `luma`, NV12 to RGB. "
        "Nothing here has run on a GPU.",
        "",
        "| | microseconds a picture |",
        "|---|---|",
        *(f"| {name} | {value:.1f} |" for name, value in found.items()),
    ]
    page = "\n".join(lines) + "\n"
    store(args.results, "launch_cost", {"machine": about, "us": found}, page)
    print(page)


def measured() -> dict[str, float]:
    """Return microseconds of each launch, the median of rounds and the least."""
    from sr4k.engines import nvrtc
    from sr4k.engines.padding import Padding

    nvrtc.compiled = lambda *_: b""  # type: ignore[assignment] # what the stand-in loads
    network, padding = one_launch(1080, 1920), Padding(1080, 1920, torch.uint8, torch.device("cpu"))
    luma, chroma, out = (torch.zeros(1, 1, dtype=torch.uint8) for _ in range(3))
    steps = {
        "padding, two new planes": timed(lambda: padding(luma, chroma)),
        "upscaling": timed(lambda: network.run(luma, chroma, out)),
        **{f"`Upscaler.tensor`, batches of {number}": tensors(number) for number in (1, 8)},
    }
    return {f"{step}, {name}": value for step, found in steps.items() for name, value in found.items()}


def one_launch(height: int, width: int) -> Any:
    """Return ``luma`` in one launch, for the stand-in."""
    from sr4k.engines.one_launch import OneLaunch, plan_for
    from sr4k.models import zoo
    from sr4k.models.colour import Colour

    network, plan = zoo.load("luma").quantized(Colour()), plan_for(4, 227 << 10, 228 << 10)
    return OneLaunch(network, height, width, torch.device("cpu"), layout="nv12", plan=plan)


def tensors(number: int) -> dict[str, float]:
    """Return microseconds a picture of ``Upscaler.tensor``, for tensors that it takes to be in GPU memory.

    They are small: memory for large ones comes from the system here, and on a GPU from PyTorch, which keeps it.
    """
    from sr4k import Upscaler
    from sr4k.engines import cuda
    from sr4k.memory import tensors_on_gpu

    network = one_launch(32, 32)
    cuda._fused = lambda *_: network
    tensors_on_gpu.takes = lambda batch, engine: tensors_on_gpu.is_fit(batch) and engine.name == "cuda"
    batch = torch.zeros((number, 3, 32, 32), dtype=torch.uint8)
    with Upscaler(engine="cuda") as up:
        return {name: value / number for name, value in timed(lambda: up.tensor(batch)).items()}


def timed(run: Callable[[], object]) -> dict[str, float]:
    """Return microseconds of a call."""
    run()
    rounds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for _ in range(_LAUNCHES):
            run()
        rounds.append(1e6 * (time.perf_counter() - began) / _LAUNCHES)
    return {"median": statistics.median(rounds), "least": min(rounds)}


if __name__ == "__main__":
    main()
