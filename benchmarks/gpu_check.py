"""What a machine with an NVIDIA GPU reaches, and whether it computes the right thing. One command, no network.

    python benchmarks/gpu_check.py [--minutes 8] [--size 1920x1080] [--results benchmarks/results]

Which libraries are there; every engine against the float reference on photographs; times of the networks by CUDA
events; what each launch takes; whole engines from host memory to host memory; rates of PCIe, of NVDEC and of NVENC;
whole videos whose pictures stay on the GPU.
What can't run says why in its row, and the rest goes on. When the minutes are over, what is left is left out, by name.
"""

import argparse
import itertools
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from extras import required
from gpu_timing import DEVICE, SETS, Row, timed
from gpu_video import rates, videos
from numpy.typing import NDArray

from sr4k.engines.nvidia import driver
from sr4k.models import zoo
from sr4k.models.colour import Colour
from sr4k.models.folded_network import FoldedNetwork
from sr4k.models.geometry import MARGIN
from sr4k.models.quantize import QuantizedNetwork

torch = required("torch")

HERE = Path(__file__).parent
COLOUR = Colour()
PHOTOGRAPH = (296, 448)
"""Rows and columns that all of them have."""

MODELS = ("luma", "luma-large", "rcan2")
LIBRARIES = (
    "sr4k-stream", "torch", "triton", "tensorrt", "tensorrt-cu12", "tensorrt-cu13", "cuda-bindings", "av", "openvino",
    "onnx", "numpy",
)  # fmt: skip

Planes = list[NDArray[np.uint8]]


def main() -> None:
    """Run, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--size", default="1920x1080", help="of the input")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    if not driver().gpus:
        raise SystemExit(f"no NVIDIA GPU: {driver().trouble or 'there is no driver'}")
    deadline = time.monotonic() + 60 * args.minutes
    result: Row = {"size": [width, height], "libraries": libraries()}
    for name, part in parts((width, height)).items():
        began = time.monotonic()
        if began > deadline:
            result[name] = [{"what": name, "error": "left out: the minutes were over"}]
            continue
        result[name] = list(rows(part))
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        store(args.results, result)  # after each part: a machine may be taken away
    print(as_markdown(result))


def parts(size: tuple[int, int]) -> dict[str, Callable[[], Iterator[tuple[str, Callable[[], Row]]]]]:
    """By name, what yields names of rows and how to measure them; the most important first."""
    return {
        "right": lambda: right(),
        "networks": lambda: networks(size),
        "launches": lambda: launches(size),
        "engines": lambda: engines(size),
        "rates": lambda: rates(size),
        "videos": lambda: videos(size),
        "tunings": lambda: tunings(size),
    }


def rows(part: Callable[[], Iterator[tuple[str, Callable[[], Row]]]]) -> Iterator[Row]:
    """Each row of a part, or why it could not be measured."""
    for name, measure in part():
        try:
            yield {"what": name, **measure()}
        except Exception as err:  # whatever it is, the others still count
            traceback.print_exc()
            yield {"what": name, "error": f"{type(err).__name__}: {str(err).splitlines()[0] if str(err) else ''}"}


def libraries() -> Row:
    """Versions, driver and GPUs."""
    found: Row = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    seen = driver()
    return {
        "versions": found,
        "cuda_of_the_driver": seen.cuda,
        "gpus": [{"name": g.name, "capability": g.capability, "memory": g.memory} for g in seen.gpus],
    }


def right() -> Iterator[tuple[str, Callable[[], Row]]]:
    """Every way to compute against the exact one, on photographs."""
    pictures = [as_planes(picture) for picture in photographs()]
    for model in MODELS:
        for precision in ("int8", "fp16"):
            yield f"{model}, {precision}, engine cuda", partial(difference, "cuda", model, precision, pictures)
            yield f"{model}, {precision}, engine tensorrt", partial(difference, "tensorrt", model, precision, pictures)


def difference(engine: str, model: str, precision: str, pictures: list[Planes]) -> Row:
    """Of an engine's luma and chroma to the float network, and to the exact integers where it is int8."""
    from sr4k.engines import EngineSpec, create_engine
    from sr4k.models.execute import FoldedExecutor, IntegerExecutor

    network = zoo.load(model)
    squares, most, beyond, count = 0.0, 0, 0, 0
    reference = referring(FoldedExecutor(network.folded(COLOUR), dtype=torch.float64))
    integers = referring(IntegerExecutor(network.quantized(COLOUR))) if precision == "int8" else None
    height, width = PHOTOGRAPH
    spec = EngineSpec(model=model, height=height, width=width, colour=COLOUR, precision=precision)  # type: ignore[arg-type]
    with create_engine(engine, spec) as running:
        for planes in pictures:
            inputs = [torch.from_numpy(planes[0])[None, None].to(DEVICE), torch.from_numpy(planes[1])[None].to(DEVICE)]
            exact = inner(reference, inputs)
            same = exact if integers is None else inner(integers, inputs)
            made = running.infer(planes)[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.float64)
            squares += float(((made - exact) ** 2).sum())
            apart = np.abs(made - same)
            most = max(most, int(apart.max()))
            beyond += int((apart > 0).sum())
            count += made.size
    return {
        "psnr_to_float": 10 * np.log10(255**2 / (squares / count)) if squares else float("inf"),
        "most_levels_apart": most,
        "share_apart": beyond / count,
    }


def referring(executor: Any) -> Any:
    """A reference, on the GPU."""
    executor.convs = {name: on_gpu(conv) for name, conv in executor.convs.items()}
    if hasattr(executor, "_weight_scales"):
        executor._weight_scales = {name: scale.to(DEVICE) for name, scale in executor._weight_scales.items()}
    return executor


def inner(executor: Any, inputs: list[torch.Tensor]) -> NDArray[np.float64]:
    """What a reference makes of planes, rounded, without the margin."""
    cells = executor(*inputs)[0].permute(1, 2, 0).round().clamp(0, 255)
    return np.asarray(cells[MARGIN:-MARGIN, MARGIN:-MARGIN].cpu().numpy())


def on_gpu(conv: Any) -> Any:
    """A reference's convolution there."""
    from dataclasses import replace

    return replace(conv, kernel=conv.kernel.to(DEVICE), bias=conv.bias.to(DEVICE))


def photographs() -> list[NDArray[np.uint8]]:
    """BGR pictures that scikit-image brings, cut to one size, so that one engine serves all."""
    from skimage import data

    found = []
    for name in ("astronaut", "coffee", "chelsea"):
        try:
            picture = getattr(data, name)()
        except Exception:  # not all installations hold all pictures
            continue
        found.append(np.ascontiguousarray(picture[: PHOTOGRAPH[0], : PHOTOGRAPH[1], ::-1]))
    if not found:
        raise RuntimeError("scikit-image has no pictures here")
    return found


def as_planes(bgr: NDArray[np.uint8]) -> Planes:
    """Padded luma and chroma."""
    from sr4k.bench.engine_alone import padded_planes

    return list(padded_planes(bgr))


def networks(size: tuple[int, int]) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Networks on planes that lie on the GPU, by CUDA events."""
    for model in MODELS:
        folded = zoo.load(model).folded(COLOUR)
        for engine in ("cuda", "tensorrt"):
            for precision in ("int8", "fp16"):
                yield (
                    f"{model}, engine {engine}, {precision}, to NV12",
                    partial(to_nv12, engine, model, precision, size),
                )
        yield f"{model}, folded, PyTorch fp16 channels_last, compiled", partial(folded_in_torch, folded, size, True)
        yield f"{model}, folded, PyTorch fp16 channels_last", partial(folded_in_torch, folded, size, False)
    yield "rcan2, as published, PyTorch fp16 channels_last, compiled", partial(published_in_torch, size, True)
    yield "rcan2, as published, PyTorch fp16 channels_last", partial(published_in_torch, size, False)


def own(network: QuantizedNetwork, size: tuple[int, int], **tuning: int) -> Row:
    """This project's kernels, sub-pixels written as cells."""
    from sr4k.engines.cuda_network import FusedNetwork, Tuning

    fused = FusedNetwork(network, size[1], size[0], torch.device(DEVICE), tuning=Tuning(**tuning))
    sets = [(*planes_on_gpu(size, k), torch.zeros(fused.output_shape, dtype=torch.uint8, device=DEVICE), fused.maps())
            for k in range(SETS)]  # fmt: skip
    return timed([partial(fused.run, *one) for one in sets], network.network.macs(size[1], size[0]))


def to_nv12(engine: str, model: str, precision: str, size: tuple[int, int]) -> Row:
    """An engine on pictures that stay on the GPU, pixel shuffle included."""
    from sr4k.engines import EngineSpec
    from sr4k.engines.on_gpu import open_on_gpu

    width, height = size
    spec = EngineSpec(model=model, height=height, width=width, colour=COLOUR, precision=precision)  # type: ignore[arg-type]
    network = open_on_gpu((engine,), spec)
    calls = [partial(network.run, *planes_on_gpu(size, k)) for k in range(SETS)]
    return timed(calls, network.describe()["macs"])


def folded_in_torch(network: FoldedNetwork, size: tuple[int, int], compiled: bool) -> Row:
    """The same algebra without kernels of our own."""
    from sr4k.models.execute import TorchOps, as_tensors

    convs = {name: on_gpu(as_tensors(conv, torch.float16)) for name, conv in network.convs.items()}

    def run(luma: torch.Tensor, chroma: torch.Tensor) -> torch.Tensor:
        planes = tuple(plane.half().contiguous(memory_format=torch.channels_last) for plane in (luma, chroma))
        cells = torch.cat(network.structure(TorchOps(convs), planes), dim=1)
        return cells.round().clamp(0, 255).to(torch.uint8)

    call = torch.compile(run, dynamic=False) if compiled else run
    inputs = [planes_on_gpu(size, k) for k in range(SETS)]
    with torch.inference_mode():
        return timed([partial(call, luma[None, None], chroma[None]) for luma, chroma in inputs],
                     network.macs(size[1], size[0]))  # fmt: skip


def published_in_torch(size: tuple[int, int], compiled: bool) -> Row:
    """RCAN2 as published, on RGB."""
    from sr4k.models.rcan import Rcan

    model = zoo.load("rcan2")
    net = Rcan(model.arch).eval()  # type: ignore[arg-type]
    net.load_state_dict({name: torch.from_numpy(array) for name, array in model.weights.items()})
    net = net.to(DEVICE, torch.float16, memory_format=torch.channels_last)
    call = torch.compile(net, dynamic=False) if compiled else net
    shape = (1, 3, size[1], size[0])
    inputs = [
        (255 * torch.rand(shape, device=DEVICE)).half().contiguous(memory_format=torch.channels_last)
        for _ in range(SETS)
    ]
    with torch.inference_mode():
        return timed([partial(call, x) for x in inputs], model.arch.macs(size[1], size[0]))


def launches(size: tuple[int, int]) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Each launch of the int8 networks alone."""
    from sr4k.engines.cuda_kernels import fused_convolution
    from sr4k.engines.cuda_network import FusedNetwork
    from sr4k.engines.fuse import fuse

    for model in MODELS:
        network = zoo.load(model).quantized(COLOUR)
        fused = FusedNetwork(network, size[1], size[0], torch.device(DEVICE))
        out = torch.zeros(fused.output_shape, dtype=torch.uint8, device=DEVICE)
        calls = list(fused.launches(*planes_on_gpu(size, 0), out, fused.maps()))
        for launch, (programs, arguments) in zip(fuse(network), calls, strict=True):
            names = " + ".join(term.conv for term in launch.terms)
            work = sum(network.network.convs[term.conv].macs for term in launch.terms) * size[0] * size[1] // 4
            run = partial(fused_convolution[(programs,)], **arguments)
            yield f"{model}: {names}", partial(timed, [run], work)


def engines(size: tuple[int, int]) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Whole engines, from host memory to host memory, kept as full as they take."""
    for name in ("cuda", "tensorrt"):
        for model in MODELS:
            for precision in ("int8", "fp16"):
                yield f"{name}, {model}, {precision}", partial(engine, name, model, precision, size)


def engine(name: str, model: str, precision: str, size: tuple[int, int]) -> Row:
    """Milliseconds a frame, and for how long it was being got ready."""
    from sr4k.bench.engine_alone import measure_engine

    began = time.perf_counter()
    found = measure_engine(name, model, size, precision=precision, frames=60, rounds=3)  # type: ignore[arg-type]
    return {
        "ms": 1e3 * found.median,
        "spread_ms": [1e3 * seconds for seconds in found.rounds],
        "all_seconds": time.perf_counter() - began,
    }


def tunings(size: tuple[int, int]) -> Iterator[tuple[str, Callable[[], Row]]]:
    """How the launches are best spread over this GPU."""
    for model in MODELS:
        for block, warps in itertools.product((64, 128, 256), (4, 8)):
            network = zoo.load(model).quantized(COLOUR)
            yield (
                f"{model}, int8, {block} positions, {warps} warps",
                partial(own, network, size, block=block, warps=warps),
            )


def planes_on_gpu(size: tuple[int, int], number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Padded planes of a sample picture."""
    from sr4k.media.sample_pattern import draw

    luma, chroma = as_planes(draw(25 * number, size))
    return torch.from_numpy(luma).to(DEVICE), torch.from_numpy(chroma).to(DEVICE)


def store(folder: Path, result: Row) -> None:
    """As JSON and Markdown."""
    from sr4k.bench.report import store as write

    write(folder, "gpu", result, as_markdown(result))


def as_markdown(result: Row) -> str:
    """A table for each part."""
    about = result["libraries"]
    gpus = "; ".join(f"{g['name']}, {g['memory'] / 2**30:.0f} GiB" for g in about["gpus"])
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items() if number)
    width, height = result["size"]
    lines = ["# On an NVIDIA GPU", "", f"`python benchmarks/gpu_check.py --size {width}x{height}`; {gpus}; {versions}"]
    for part, found in result.items():
        if part in ("size", "libraries"):
            continue
        columns = list(dict.fromkeys(key for row in found for key in row if key not in ("what", "spread_ms")))
        lines += ["", f"## {part.capitalize()}", "", f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for row in found:
            cells = (row.get(column, "") for column in columns)
            shown = (f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in cells)
            lines.append(f"| {row['what']} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
