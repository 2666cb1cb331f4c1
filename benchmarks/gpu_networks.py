"""Steps about networks on an NVIDIA GPU: correctness, and speed beside what others run."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from extras import required
from gpu_plan import (
    MODELS,
    PHOTOGRAPH,
    PREDICTED_AT_ONCE,
    PREDICTED_WITH_SHARPNESS,
    REHEARSAL,
    Setting,
    Step,
    predicted_launch,
)
from gpu_timing import DEVICE, SETS, Row, enqueued_us, timed
from numpy.typing import NDArray

torch = required("torch")

from rig.exact_maps import Recording, from_exact_maps  # noqa: E402
from sr4k.bench.engine_alone import padded_planes  # noqa: E402
from sr4k.engines import EngineSpec, create_engine  # noqa: E402
from sr4k.engines.cuda_network import FusedNetwork, Tuning  # noqa: E402
from sr4k.engines.cuda_output import Layout  # noqa: E402
from sr4k.engines.fuse import fuse  # noqa: E402
from sr4k.engines.on_gpu import nv12_of, open_on_gpu  # noqa: E402
from sr4k.engines.one_launch import OneLaunch, Plan  # noqa: E402
from sr4k.media.sample_pattern import draw  # noqa: E402
from sr4k.models import zoo  # noqa: E402
from sr4k.models.architecture import Precision  # noqa: E402
from sr4k.models.catalogue import SHARPEST  # noqa: E402
from sr4k.models.colour import Colour  # noqa: E402
from sr4k.models.execute import FoldedExecutor, IntegerExecutor, TorchOps, as_tensors  # noqa: E402
from sr4k.models.folded_network import FoldedNetwork  # noqa: E402
from sr4k.models.geometry import MARGIN  # noqa: E402
from sr4k.models.quantize import QuantizedNetwork  # noqa: E402

# Else PyTorch takes cuDNN's first guess, and the networks of others are slower than they need be.
torch.backends.cudnn.benchmark = True

COLOUR, DEEP = Colour(), Colour(matrix="bt2020", bits=10)
TENSORRT = find_spec("tensorrt") is not None

Planes = list[NDArray[np.uint8]]

_TIES, _FLOATS = (1, 0.005), (1, 0.02)
"""How many levels samples may be apart, and what share of them: from exact integers, and in float16 from float64."""

_GROWN_TIES = {"rcan2": (2, 0.05)}
"""The same from exact integers for networks whose layers make more of a tie that float32 rounds the other way."""

_TIE = 1e-5
"""Steps from a tie, within which float32 may round a value of up to 128 steps otherwise."""

PLANS = (
    *(("luma", Plan(34, 60, heads=h, tails=t, chromas=c)) for h, t, c in ((4, 1, 1), (4, 2, 1), (4, 2, 2), (8, 4, 2))),
    ("luma-fast", Plan(34, 60)),
    ("luma-fast", Plan(40, 66, heads=4, tails=2, chromas=2)),
    ("luma-fast", Plan(34, 60, heads=4, tails=2, chromas=2)),
)
"""Networks in one launch with other plans than their own: more loads under way together where these are waited for, and
tiles of `luma-fast` that give more multiprocessors a second one."""


def right(_: Setting) -> Iterator[Step]:
    """Compare engines with the exact integers and with the float reference, on photographs."""
    both: tuple[Precision, ...] = ("int8", "fp16")
    for engine in ("cuda", *(["tensorrt"] if TENSORRT else [])):
        for model in MODELS:
            for precision in both:
                yield Step(f"{engine}, {model}, {precision}", 10, partial(difference, engine, model, precision))
    yield Step("cuda, luma, fp16 of 10 bits", 10, deep_difference)
    for model in MODELS:
        yield Step(f"cuda, {model}, int8, each launch from exact maps", 10, partial(launch_by_launch, model))


def luma(setting: Setting) -> Iterator[Step]:
    """Time the default network by own kernels, and the same graph by PyTorch."""
    yield from _own_and_torch(
        "luma", setting.size, {"int8": "0.13-0.16", "fp16": "0.25-0.30", "eager": "0.6", "compiled": "0.45"}
    )
    name = "luma, fp16 of 10 bits, own kernels, to P010"
    yield Step(name, 10, partial(own, "luma", "fp16", setting.size, "nv12", colour=DEEP), "0.26-0.32")


def others(setting: Setting) -> Iterator[Step]:
    """Time the other networks in the same way, and RCAN2 as it was published."""
    predicted = {"luma-large": {"int8": "1.1"}, "rcan2": {"int8": "0.3"}}
    for model in MODELS[1:]:
        yield from _own_and_torch(model, setting.size, predicted[model])
    for compiled in (False, True):
        how = "compiled" if compiled else "eager"
        yield Step(f"rcan2 as published, PyTorch fp16, {how}", 40 if compiled else 12,
                   partial(published_in_torch, setting.size, compiled))  # fmt: skip


def _own_and_torch(model: str, size: tuple[int, int], predicted: dict[str, str]) -> Iterator[Step]:
    for precision in ("int8", "fp16"):
        yield Step(f"{model}, {precision}, own kernels, to NV12", 10, partial(own, model, precision, size, "nv12"),
                   predicted.get(precision))  # fmt: skip
    for compiled in (False, True):
        how = "compiled" if compiled else "eager"
        yield Step(f"{model}, PyTorch fp16 channels_last, {how}", 40 if compiled else 12,
                   partial(folded_in_torch, model, size, compiled), predicted.get(how))  # fmt: skip
    if TENSORRT:
        for exact in ("int8", "fp16"):
            yield Step(f"{model}, {exact}, TensorRT, to NV12", 120, partial(on_gpu, "tensorrt", model, exact, size))


def ceilings(_: Setting) -> Iterator[Step]:
    """Measure the limits of the GPU: memory, matrix products and PCIe."""
    yield Step("memory, device to device, read and written", 5, partial(copies, DEVICE, DEVICE, 2))
    yield Step("fp16 matrix product, 8192 a side", 5, partial(product, "float16"))
    yield Step("int8 matrix product, 8192 a side", 5, partial(product, "int8"))
    yield Step("PCIe, pinned host to device", 5, partial(copies, "pinned", DEVICE, 1))
    yield Step("PCIe, device to pinned host", 5, partial(copies, DEVICE, "pinned", 1))


def launches(setting: Setting) -> Iterator[Step]:
    """Time each launch of int8 luma alone."""
    network = zoo.load("luma").quantized(COLOUR)
    for index, launch in enumerate(fuse(network)):
        guess = predicted_launch(launch.terms[0].conv)
        name = " + ".join(term.conv for term in launch.terms)
        yield Step(f"luma int8: {name}", 4, partial(one_launch_of, index, setting.size), guess)


def one_launch(setting: Setting) -> Iterator[Step]:
    """Compare a picture in one launch with exact integers, and time it."""
    yield Step("luma, int8, one launch a picture, all pixels", 25, partial(at_once_right, setting.size))
    for model, guess in PREDICTED_AT_ONCE.items():
        name = f"{model}, int8, one launch a picture, to NV12"
        yield Step(name, 10, partial(at_once_fast, model, setting.size), guess)
    name = f"luma, int8, sharpness {SHARPEST}, one launch a picture, all pixels"
    yield Step(name, 25, partial(at_once, setting.size, sharpness=SHARPEST), PREDICTED_WITH_SHARPNESS["luma"])


def whole(setting: Setting) -> Iterator[Step]:
    """Compare all pixels of a full-size frame with the exact integers, twice: what differs between runs is a race."""
    for model in MODELS:
        yield Step(f"{model}, int8", 12, partial(whole_frame, model, setting.size))
    name = f"luma, int8, sharpness {SHARPEST}"
    yield Step(name, 12, partial(whole_frame, "luma", setting.size, sharpness=SHARPEST))


def engine(setting: Setting) -> Iterator[Step]:
    """Time the engine as the stages call it: from host memory to host memory, and on frames in GPU memory."""
    for precision in ("int8",) if REHEARSAL else ("int8", "fp16"):
        yield Step(f"cuda, luma, {precision}, host to host", 12, partial(host_to_host, "luma", precision, setting.size))
        yield Step(f"cuda, luma, {precision}, on the GPU", 8, partial(on_gpu, "cuda", "luma", precision, setting.size))
    yield Step("cuda, luma, int8, tensors of RGB", 8, partial(tensors, setting.size), "0.12-0.17")


def tunings(setting: Setting) -> Iterator[Step]:
    """Time int8 luma with its launches spread otherwise over the GPU."""
    for stages in (1,) if REHEARSAL else (1, 2, 4):
        guess = "20 % less than with 3 stages" if stages == 1 else None
        yield Step(f"luma int8, {stages} stages", 8, partial(tuned, Tuning(stages=stages), setting.size), guess)
    spread = (Tuning(256, 8, 1), Tuning(64, 4, 1), Tuning(64, 4), Tuning(128, 8), Tuning(256, 4), Tuning(256, 8))
    for tuning in () if REHEARSAL else spread:
        yield Step(f"luma int8, {_in_words(tuning)}", 8, partial(tuned, tuning, setting.size))
    for model, precision in () if REHEARSAL else (("luma", "fp16"), ("rcan2", "int8"), ("rcan2", "fp16")):
        for tuning in (Tuning(stages=1), Tuning(), Tuning(256)):
            name = f"{model} {precision}, {_in_words(tuning)}"
            yield Step(name, 8, partial(own, model, precision, setting.size, "nv12", tuning))
    for model, plan in () if REHEARSAL else PLANS:
        name = f"{model} int8, one launch, {plan.rows}x{plan.columns}, {plan.heads} {plan.tails} {plan.chromas} at once"
        yield Step(name, 12, partial(at_once, setting.size, model=model, plan=plan))


def _in_words(tuning: Tuning) -> str:
    stages = "" if tuning.stages is None else f", {tuning.stages} stage"
    return f"{tuning.block} positions, {tuning.warps} warps{stages}"


def peers(setting: Setting) -> Iterator[Step]:
    """Time the network that most people run, by its shape: Real-ESRGAN's animevideov3, SRVGGNetCompact of 64 x 16."""
    for compiled in (False, True):
        how = "compiled" if compiled else "eager"
        yield Step(f"animevideov3's shape, PyTorch fp16, {how}", 40 if compiled else 12,
                   partial(compact, setting.size, compiled))  # fmt: skip


def difference(name: str, model: str, precision: Precision) -> Row:
    """Compare an engine's luma and chroma with the float network, and with the exact integers where it is int8."""
    network = zoo.load(model)
    floats = referring(FoldedExecutor(network.folded(COLOUR), dtype=torch.float64))
    exact = referring(IntegerExecutor(network.quantized(COLOUR))) if precision == "int8" else floats
    height, width = PHOTOGRAPH
    spec = EngineSpec(model=model, height=height, width=width, colour=COLOUR, precision=precision)
    squares, apart = [], []
    with create_engine(name, spec) as running:
        for planes in photographs():
            made = running.infer(planes)[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.float64)
            tensors = [torch.from_numpy(plane).to(DEVICE) for plane in planes]
            squares.append((made - inner(floats, tensors)) ** 2)
            apart.append(np.abs(made - inner(exact, tensors)))
    mean, levels = float(np.mean(squares)), np.stack(apart)
    bounds = _GROWN_TIES.get(model, _TIES) if precision == "int8" else _FLOATS
    return {**_apart(levels, bounds), "psnr_to_float": 10 * np.log10(255**2 / mean) if mean else float("inf")}


def deep_difference() -> Row:
    """Compare luma and chroma of 10 bits with the float network."""
    height, width = PHOTOGRAPH
    floats = referring(FoldedExecutor(zoo.load("luma").folded(DEEP), dtype=torch.float64))
    spec = EngineSpec(model="luma", height=height, width=width, colour=DEEP)
    with create_engine("cuda", spec) as running:
        planes = [4 * plane.astype(np.uint16) for plane in photographs()[0]]
        made = running.infer(planes)[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.float64)
    tensors = [torch.from_numpy(plane.astype(np.float64)).to(DEVICE) for plane in planes]
    levels = np.abs(made - inner(floats, tensors, DEEP.peak))
    return {
        "right": bool(levels.max() <= 2),
        "most_levels_apart": int(levels.max()),
        "mean_apart": float(levels.mean()),
    }


def launch_by_launch(model: str) -> Row:
    """Compare each map with the exact one, as made from exact maps: what differs may only be a tie."""
    network = zoo.load(model).quantized(COLOUR)
    fused = FusedNetwork(network, *PHOTOGRAPH, torch.device(DEVICE))
    found = from_exact_maps(
        fused, referring(Recording(network)), *(torch.from_numpy(plane).to(DEVICE) for plane in photographs()[0])
    )
    return {"right": found.farthest_from_a_tie < _TIE, **found._asdict()}


def _apart(levels: NDArray[Any], bounds: tuple[int, float] = _TIES) -> Row:
    """Tell how far samples are from their reference, and whether only ties between integers were rounded otherwise."""
    most, share = int(levels.max()), float((levels > 0).mean())
    return {"right": most <= bounds[0] and share < bounds[1], "most_levels_apart": most, "share_apart": share}


def referring(executor: Any) -> Any:
    """Move a reference to the GPU."""
    executor.convs = {name: _moved(conv) for name, conv in executor.convs.items()}
    if hasattr(executor, "_weight_scales"):
        executor._weight_scales = {name: scale.to(DEVICE) for name, scale in executor._weight_scales.items()}
    return executor


def inner(executor: Any, planes: list[Any], peak: int = 255) -> NDArray[np.float64]:
    """Return a reference's rounded cells of padded planes, without the margin."""
    cells = executor(planes[0][None, None], planes[1][None])[0].permute(1, 2, 0).round().clamp(0, peak)
    return np.asarray(cells[MARGIN:-MARGIN, MARGIN:-MARGIN].cpu().numpy(), np.float64)


def _moved(conv: Any) -> Any:
    return replace(conv, kernel=conv.kernel.to(DEVICE), bias=conv.bias.to(DEVICE))


@cache
def photographs() -> tuple[Planes, ...]:
    """Return padded planes of pictures that scikit-image brings, cut to one size, so that one engine serves all.

    Raises:
        RuntimeError: scikit-image has none of them here.
    """
    from skimage import data

    found = []
    for name in ("astronaut",) if REHEARSAL else ("astronaut", "coffee", "chelsea"):
        try:
            picture = getattr(data, name)()
        except Exception:  # not all installations hold all pictures
            continue
        found.append(padded_planes(np.ascontiguousarray(picture[: PHOTOGRAPH[0], : PHOTOGRAPH[1], ::-1])))
    if not found:
        raise RuntimeError("scikit-image has no pictures here")
    return tuple(found)


@cache
def planes_on_gpu(size: tuple[int, int], number: int, colour: Colour = COLOUR) -> tuple[Any, Any]:
    """Return padded planes of a sample picture, which takes a quarter of a second to draw."""
    luma, chroma = (colour.unit * plane.astype(colour.dtype) for plane in padded_planes(draw(25 * number, size)))
    return torch.from_numpy(luma).to(DEVICE), torch.from_numpy(chroma).to(DEVICE)


def own(
    model: str,
    precision: str,
    size: tuple[int, int],
    layout: Layout,
    tuning: Tuning | None = None,
    colour: Colour = COLOUR,
) -> Row:
    """Time this project's kernels on frames on the GPU."""
    loaded = zoo.load(model)
    network = loaded.quantized(colour) if precision == "int8" else loaded.folded(colour)
    return timed(_calls(network, size, layout, tuning, colour), loaded.folded(colour).macs(size[1], size[0]))


def _calls(
    network: FoldedNetwork | QuantizedNetwork,
    size: tuple[int, int],
    layout: Layout,
    tuning: Tuning | None,
    colour: Colour,
) -> list[Any]:
    fused = FusedNetwork(network, size[1], size[0], torch.device(DEVICE), layout=layout, tuning=tuning)
    outs = [torch.zeros(fused.output_shape, dtype=fused.dtype, device=DEVICE) for _ in range(SETS)]
    return [partial(fused.run, *planes_on_gpu(size, k, colour), out, fused.maps()) for k, out in enumerate(outs)]


def tuned(tuning: Tuning, size: tuple[int, int]) -> Row:
    """Compare int8 luma with other launches with the exact integers, and time it."""
    return whole_frame("luma", size, tuning) | own("luma", "int8", size, "nv12", tuning)


def on_gpu(name: str, model: str, precision: Precision, size: tuple[int, int]) -> Row:
    """Time an engine on frames that stay on the GPU, as the stage calls it."""
    spec = EngineSpec(model=model, height=size[1], width=size[0], colour=COLOUR, precision=precision)
    network = open_on_gpu((name,), spec)
    calls = [partial(network.run, *planes_on_gpu(size, k)) for k in range(SETS)]
    row = timed(calls, network.describe()["macs"], capture=False)  # it may be a graph itself
    return {**row, "cpu_us_a_frame": enqueued_us(calls)}


def tensors(size: tuple[int, int]) -> Row:
    """Time RGB to RGB in GPU memory, as ``Upscaler.tensor`` makes it."""
    from sr4k import load_preset
    from sr4k.memory.tensors_on_gpu import TensorsOnGpu

    work = TensorsOnGpu(load_preset("file").updated("engine", name="cuda").engine, kept=1)
    shape = (1, 3, size[1], size[0])
    batches = [torch.randint(0, 256, shape, dtype=torch.uint8, device=DEVICE) for _ in range(SETS)]
    calls = [partial(work, batch) for batch in batches]
    return {**timed(calls, capture=False), "cpu_us_a_frame": enqueued_us(calls)}


def folded_in_torch(model: str, size: tuple[int, int], compiled: bool) -> Row:
    """Time the same algebra without kernels of our own."""
    network = zoo.load(model).folded(COLOUR)
    convs = {name: _moved(as_tensors(conv, torch.float16)) for name, conv in network.convs.items()}

    def run(luma: Any, chroma: Any) -> Any:
        planes = tuple(plane.half().contiguous(memory_format=torch.channels_last) for plane in (luma, chroma))
        cells = torch.cat(network.structure(TorchOps(convs), planes), dim=1)
        return cells.round().clamp(0, 255).to(torch.uint8)

    inputs, work = [planes_on_gpu(size, k) for k in range(SETS)], _compiled(run, compiled)
    calls = [partial(work, luma[None, None], chroma[None]) for luma, chroma in inputs]
    with torch.inference_mode():
        return timed(calls, network.macs(size[1], size[0]))


def published_in_torch(size: tuple[int, int], compiled: bool) -> Row:
    """Time RCAN2 as published, on RGB."""
    from sr4k.models.rcan import Rcan

    model = zoo.load("rcan2")
    net = Rcan(model.arch)  # type: ignore[arg-type]
    net.load_state_dict({name: torch.from_numpy(array) for name, array in model.weights.items()})
    return _on_rgb(net, size, compiled, model.arch.macs(size[1], size[0]))


def compact(size: tuple[int, int], compiled: bool) -> Row:
    """Time SRVGGNetCompact of 64 features and 16 convolutions between the first and the last."""
    from torch import nn

    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, padding=1), nn.PReLU(64)]
    for _ in range(16):
        layers += [nn.Conv2d(64, 64, 3, padding=1), nn.PReLU(64)]
    net = nn.Sequential(*layers, nn.Conv2d(64, 12, 3, padding=1), nn.PixelShuffle(2))
    macs = sum(m.weight.numel() for m in net if isinstance(m, nn.Conv2d)) * size[0] * size[1]
    return _on_rgb(net, size, compiled, macs)


def _on_rgb(net: Any, size: tuple[int, int], compiled: bool, macs: int) -> Row:
    net = net.eval().to(DEVICE, torch.float16, memory_format=torch.channels_last)
    shape = (1, 3, size[1], size[0])
    inputs = [
        torch.rand(shape, device=DEVICE).half().contiguous(memory_format=torch.channels_last) for _ in range(SETS)
    ]
    work = _compiled(net, compiled and not REHEARSAL)
    with torch.inference_mode():
        return timed([partial(work, x) for x in inputs], macs)


def _compiled(work: Any, compiled: bool) -> Any:
    if not compiled:
        return work
    return torch.compile(work, dynamic=False, backend="eager" if REHEARSAL else "inductor")


def one_launch_of(index: int, size: tuple[int, int]) -> Row:
    """Time one launch of int8 luma."""
    network = zoo.load("luma").quantized(COLOUR)
    fused = FusedNetwork(network, size[1], size[0], torch.device(DEVICE), layout="nv12")
    out = torch.zeros(fused.output_shape, dtype=torch.uint8, device=DEVICE)
    kernel, programs, arguments = list(fused.launches(*planes_on_gpu(size, 0), out, fused.maps()))[index]
    macs = sum(network.network.convs[term.conv].macs for term in fuse(network)[index].terms) * size[0] * size[1] // 4
    return timed([partial(kernel[(programs,)], **arguments)], macs)


def host_to_host(model: str, precision: Precision, size: tuple[int, int]) -> Row:
    """Time an engine kept full, with the copies of each frame to and from the GPU."""
    from sr4k.bench.engine_alone import measure_engine

    frames, rounds = (1, 1) if REHEARSAL else (60, 3)
    found = measure_engine("cuda", model, size, precision=precision, frames=frames, rounds=rounds)
    return {"ms": 1e3 * found.median, "least_ms": 1e3 * min(found.rounds), "most_ms": 1e3 * max(found.rounds)}


@cache
def exact_frame(model: str, size: tuple[int, int], sharpness: int = 0) -> NDArray[np.float64]:
    """Return the cells that exact integers make of the second sample picture."""
    network = zoo.load(model, sharpness=sharpness).quantized(COLOUR)
    return inner(referring(IntegerExecutor(network)), list(planes_on_gpu(size, 1)))


def whole_frame(model: str, size: tuple[int, int], tuning: Tuning | None = None, sharpness: int = 0) -> Row:
    """Compare all of a frame with the exact integers, in memory that held other values each time."""
    network = zoo.load(model, sharpness=sharpness).quantized(COLOUR)
    fused = FusedNetwork(network, size[1], size[0], torch.device(DEVICE), tuning=tuning)
    planes, exact = planes_on_gpu(size, 1), exact_frame(model, size, sharpness)
    made = []
    for fill in (77, 200):
        out = torch.full(fused.output_shape, fill, dtype=torch.uint8, device=DEVICE)
        fused.run(*planes, out, fused.maps())
        made.append(out[MARGIN:-MARGIN, MARGIN:-MARGIN].cpu().numpy())
    found = _apart(np.abs(made[0] - exact), _GROWN_TIES.get(model, _TIES))
    same = bool((made[0] == made[1]).all())
    return {**found, "right": found["right"] and same, "same_twice": same}


def copies(source: str, target: str, counted: int) -> Row:
    """Measure gigabytes a second, of blocks of 256 MiB."""
    count = 2**16 if REHEARSAL else 2**28

    def memory(kind: str) -> Any:
        pinned = kind == "pinned" and not REHEARSAL
        return torch.zeros(count, dtype=torch.uint8, device="cpu" if kind == "pinned" else kind, pin_memory=pinned)

    pairs = [(memory(target), memory(source)) for _ in range(SETS)]
    row = timed([partial(to.copy_, of, non_blocking=True) for to, of in pairs])
    return {"gigabytes_a_second": counted * count / row["ms"] / 1e6, **row}


def product(kind: str) -> Row:
    """Measure the matrix product, in multiply-accumulates a second."""
    n = 64 if REHEARSAL else 8192
    if kind == "int8":
        a, b = (torch.randint(-127, 127, (n, n), dtype=torch.int8, device=DEVICE) for _ in range(2))
        return timed([partial(torch._int_mm, a, b.t().contiguous().t())], n**3)
    a, b = (torch.randn(n, n, device=DEVICE).half() for _ in range(2))
    return timed([partial(torch.matmul, a, b)], n**3)


def at_once_right(size: tuple[int, int], sharpness: int = 0, model: str = "luma", plan: Plan | None = None) -> Row:
    """Compare a picture in one launch with the exact integers, twice, in memory that held other values."""
    engine, exact = _at_once(model, size, sharpness, plan), exact_frame(model, size, sharpness)
    expected, made = nv12_of(torch.from_numpy(_with_margin(exact)).to(torch.uint8)).int(), []
    for fill in (77, 200):
        out = torch.full(engine.output_shape, fill, dtype=torch.uint8, device=DEVICE)
        engine.run(*planes_on_gpu(size, 1), out)
        made.append(out.cpu().int())
    found, same = _apart((made[0] - expected).abs().numpy()), bool((made[0] == made[1]).all())
    kernel = engine.kernel
    about = {"registers": kernel.registers(), "local_bytes": kernel.local_bytes(), "same_twice": same}
    return {**found, "right": found["right"] and same, **about}


def at_once(size: tuple[int, int], *, model: str = "luma", sharpness: int = 0, plan: Plan | None = None) -> Row:
    """Compare and time a picture in one launch, with a sharpness or another plan than its own."""
    return at_once_right(size, sharpness, model, plan) | at_once_fast(model, size, sharpness, plan)


def at_once_fast(model: str, size: tuple[int, int], sharpness: int = 0, plan: Plan | None = None) -> Row:
    """Time a picture in one launch."""
    engine = _at_once(model, size, sharpness, plan)
    outs = [torch.zeros(engine.output_shape, dtype=torch.uint8, device=DEVICE) for _ in range(SETS)]
    calls = [partial(engine.run, *planes_on_gpu(size, k), out) for k, out in enumerate(outs)]
    return timed(calls, engine.macs)


@cache
def _at_once(model: str, size: tuple[int, int], sharpness: int, plan: Plan | None) -> OneLaunch:
    device = torch.device(DEVICE) if REHEARSAL else torch.device(DEVICE, torch.cuda.current_device())
    plan = Plan(rows=2, columns=6) if REHEARSAL else plan
    network = zoo.load(model, sharpness=sharpness).quantized(COLOUR)
    return OneLaunch(network, size[1], size[0], device, layout="nv12", plan=plan)


def _with_margin(inner: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.pad(inner, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))
