"""Times a network that the user brought: as a job runs it, and in OpenVINO without anything around it."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np

from sr4k.bench.engine_alone import padded_planes
from sr4k.engines import Engine, EngineSpec
from sr4k.engines.base import Plane
from sr4k.engines.choose import engine_for
from sr4k.engines.cpu import granted_cpus
from sr4k.engines.foreign_graph import read_network, sized
from sr4k.engines.foreign_tiles import axes_of
from sr4k.engines.openvino_library import shared_core
from sr4k.engines.openvino_models import CPU, half_precisions
from sr4k.jobs.parse import Size
from sr4k.media.sample_pattern import draw
from sr4k.models.architecture import Precision
from sr4k.models.colour import Colour
from sr4k.models.foreign.store import Foreign

_AT_LEAST = 1.0
"""Seconds that a measurement takes at least, in whole pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfTime:
    """What a type of 16 bits changes.

    Attributes:
        precision: its name, as ``--precision`` takes it.
        seconds: for a picture; the median.
        psnr: of its picture against that of float32, in dB, both in 8 bits; ``None``: they are equal.
    """

    precision: Precision
    seconds: float
    psnr: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignTime:
    """How long a network takes for a picture.

    Attributes:
        model: its name.
        width, height: of the picture, in pixels.
        macs: multiply-accumulates for the picture.
        tiles: number of tiles that it is cut into.
        seconds: as a job runs it, from planes to planes; the median.
        alone: of the network alone in OpenVINO, on float32 pictures of the same size, or on as many tiles; the median.
        halves: what each type of 16 bits changes that this CPU computes in.
    """

    model: str
    width: int
    height: int
    macs: int
    tiles: int
    seconds: float
    alone: float
    halves: tuple[HalfTime, ...]

    def in_words(self) -> Iterator[str]:
        """Yield lines for people."""
        tiles = f", in {self.tiles} tiles" if self.tiles > 1 else ""
        yield f"{self.model} {self.width}x{self.height}: {self.macs / 1e9:,.1f} GMAC{tiles}"
        yield f"  a picture        {self.seconds:.3f} s, {1 / self.seconds:.2f} a second"
        yield f"  OpenVINO alone   {self.alone:.3f} s: {100 * self.alone / self.seconds:.0f} % of its rate are reached"
        for half in self.halves:
            told = "the same picture" if half.psnr is None else f"{half.psnr:.1f} dB from float32's picture"
            speed = self.seconds / half.seconds
            yield f"  --precision {half.precision} {half.seconds:.3f} s, {speed:.1f} times as fast; {told}"
        yield f"  an hour at 25/s  {25 * self.seconds:,.1f} hours"


def measure_foreign(foreign: Foreign, size: Size, rounds: int) -> ForeignTime:
    """Time a network on the CPU with as many pictures in flight as the engine takes; both ways in turn.

    Raises:
        EngineError: it can't be run.
    """
    width, height = size
    planes = padded_planes(draw(0, size))
    spec = EngineSpec(model=foreign.name, height=height, width=width, colour=Colour())
    halves = half_precisions(shared_core(), CPU) if foreign.card.precision == "fp32" else []
    with ExitStack() as engines:
        engine = engines.enter_context(engine_for("openvino", spec))
        others = [engines.enter_context(engine_for("openvino", replace(spec, precision=half))) for half in halves]
        pictures = [each.infer(planes) for each in (engine, *others)]
        turns = [turn_of(engine, planes), engines.enter_context(_alone(foreign, size))]
        turns += [turn_of(each, planes) for each in others]
        times = [[_seconds_of_one(turn) for turn in turns] for _ in range(rounds + 1)][1:]
        about = engine.describe()
    ours, alone, *of_halves = (statistics.median(each) for each in zip(*times, strict=True))
    return ForeignTime(
        model=foreign.name,
        width=width,
        height=height,
        macs=about["macs"],
        tiles=about.get("tiles", 1),
        seconds=ours,
        alone=alone,
        halves=tuple(
            HalfTime(precision=half, seconds=seconds, psnr=_psnr(pictures[0], picture))
            for half, seconds, picture in zip(halves, of_halves, pictures[1:], strict=True)
        ),
    )


def turn_of(engine: Engine, planes: Sequence[Plane]) -> Callable[[], float]:
    """Return a function that runs an engine with as many pictures in flight as it takes, and returns their number."""

    def run() -> float:
        pictures = 2 * engine.in_flight
        for _ in range(pictures):
            if engine.pending == engine.in_flight:
                engine.result()
            engine.submit(planes)
        while engine.pending:
            engine.result()
        return pictures

    return run


def _psnr(wanted: Plane, found: Plane) -> float | None:
    error = float(np.square(wanted.astype(np.float64) - found).mean())
    return 10 * math.log10(255**2 / error) if error else None


@contextmanager
def _alone(foreign: Foreign, size: Size) -> Iterator[Callable[[], float]]:
    """Yield a function that runs the network at OpenVINO's best rate, and returns for how many pictures of a size.

    Where our engine computes tiles, so does this.
    """
    core, card = shared_core(), foreign.card
    rows, columns = axes_of(card, size[1], size[0])
    network = read_network(core, foreign.path.read_bytes())
    network = sized(network, card.layout, card.channels, rows.box, columns.box)
    config = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
    model = core.compile_model(network, "CPU", config | {"INFERENCE_NUM_THREADS": granted_cpus()})
    tiles = len(rows.starts) * len(columns.starts)
    requests = [model.create_infer_request() for _ in range(model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))]
    shape = network.input(0).get_shape()
    kind = network.input(0).get_element_type().to_dtype()
    for request in requests:
        request.get_input_tensor(0).data[:] = (np.random.default_rng(0).random(list(shape)) * card.peak).astype(kind)

    def run() -> float:
        for request in requests * 2:
            request.wait()
            request.start_async()
        for request in requests:
            request.wait()
        return 2 * len(requests) / tiles

    yield run


def _seconds_of_one(run: Callable[[], float]) -> float:
    """Return the seconds of one picture: the mean of those that fit into `_AT_LEAST` seconds."""
    began, pictures = time.perf_counter(), 0.0
    while not pictures or time.perf_counter() - began < _AT_LEAST:
        pictures += run()
    return (time.perf_counter() - began) / pictures
