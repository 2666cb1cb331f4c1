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
        "A launch a layer is Triton's, from Python: what a video takes only where CUDA can't capture a graph, as the "
        "graph is one call of PyTorch's, which isn't in here. [With a driver that launches](gpu_h200.md) it is more.",
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
    network, crisp = one_launch(1080, 1920), one_launch(1080, 1920, sharpness=100)
    paddings = [Padding(1080, 1920, kind, torch.device("cpu")) for kind in (torch.uint8, torch.uint16)]
    luma, chroma, out = (torch.zeros(1, 1, dtype=torch.uint8) for _ in range(3))
    steps = {
        "padding, two new planes": timed(lambda: paddings[0](luma, chroma)),
        "padding, two new planes of 10 bits": timed(lambda: paddings[1](luma, chroma)),
        "upscaling": timed(lambda: network.run(luma, chroma, out)),
        "upscaling with a sharpness": timed(lambda: crisp.run(luma, chroma, out)),
        "upscaling in a launch a layer, `luma-large`": layered("luma-large", 8),
        "upscaling in a launch a layer, `luma` of 10 bits": layered("luma", 10),
        "upscaling in a launch a layer, `luma` of 10 bits with a sharpness": layered("luma", 10, sharpness=100),
        **{f"`Upscaler.tensor`, batches of {number}": tensors(number) for number in (1, 8)},
    }
    return {f"{step}, {name}": value for step, found in steps.items() for name, value in found.items()}


def one_launch(height: int, width: int, sharpness: int = 0) -> Any:
    """Return ``luma`` in one launch, for the stand-in."""
    from sr4k.engines.one_launch import OneLaunch, plan_for
    from sr4k.models import zoo
    from sr4k.models.colour import Colour

    network, plan = zoo.load("luma", sharpness=sharpness).quantized(Colour()), plan_for(4, 227 << 10, 228 << 10)
    return OneLaunch(network, height, width, torch.device("cpu"), layout="nv12", plan=plan)


def layered(model: str, bits: int, sharpness: int = 0) -> dict[str, float]:
    """Return microseconds a picture in a launch a layer, compiled for an H100, as if the tensors were there."""
    from triton.backends.nvidia.driver import CudaDriver
    from triton.runtime import driver

    from sr4k.engines import EngineSpec
    from sr4k.engines.cuda_network import FusedNetwork
    from sr4k.models import zoo
    from sr4k.models.colour import Colour

    stand_in = CudaDriver()
    stand_in.get_current_stream = stand_in.get_current_device = lambda *_: 0
    stand_in.get_device_capability = lambda *_: (9, 0)
    driver.set_active(stand_in)
    spec = EngineSpec(model=model, height=32, width=32, colour=Colour(bits=bits))
    loaded = zoo.load(model, sharpness=sharpness)
    folded = loaded.quantized(spec.colour) if bits == 8 else loaded.folded(spec.colour)
    network = FusedNetwork(folded, 32, 32, torch.device("cpu"), layout="nv12")
    luma, chroma = (torch.zeros(shape, dtype=network.dtype) for shape in spec.input_shapes)
    out, maps = torch.zeros(network.output_shape, dtype=network.dtype), network.maps()
    return timed(lambda: network.run(luma, chroma, out, maps))


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
