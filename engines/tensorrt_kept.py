"""Engines of TensorRT from the cache, or newly built: which takes minutes, and is done once for each size and GPU."""

import logging
from dataclasses import astuple, dataclass

from sr4k.engines.base import EngineSpec
from sr4k.engines.cache import About, EngineCache, key_of
from sr4k.engines.nvidia import Gpu, driver
from sr4k.engines.tensorrt_plan import VERSION, Loaded, build_plan, load_plan
from sr4k.engines.tensorrt_versions import Exact

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Built:
    """A TensorRT engine on a GPU.

    Attributes:
        loaded: the engine.
        kept: whether it came from the cache.
        key: of everything that it depends on.
        gpu: that it runs on.
        precision: of its graph.
        macs: multiply-accumulates a frame.
    """

    loaded: Loaded
    kept: bool
    key: str
    gpu: Gpu
    precision: Exact
    macs: int


def kept_or_built(graph: bytes, precision: Exact, spec: EngineSpec, gpu: Gpu, macs: int) -> Built:
    """Return the engine of an ONNX graph, from the cache or newly built.

    Args:
        graph: serialised ONNX model, of one size.
        precision: of the graph.
        spec: what it is for.
        gpu: to run it on.
        macs: multiply-accumulates a frame.

    Raises:
        EngineError: TensorRT can't build the engine.
    """
    machine = {"tensorrt": VERSION, "gpu": astuple(gpu)[1:], "cuda": driver().cuda}
    about = About(spec.model, f"{spec.width}x{spec.height}", precision, gpu.name, library=f"TensorRT {VERSION}")
    cache, timing = EngineCache(), key_of(machine)

    def built() -> bytes:
        before = cache.seconds(spec.model)
        length = "may take minutes" if before is None else f"took {before:.0f} s the last time"
        log.warning(
            "Building the engine of %s for %s in %s: this is done once and %s.",
            about.model,
            about.size,
            about.precision,
            length,
        )
        plan, timings = build_plan(graph, precision, cache.timing(timing))
        cache.keep_timing(timing, timings)
        return plan

    key = key_of({**machine, "precision": precision}, graph)
    loaded, kept = cache.get(key, about, load_plan, built)
    return Built(loaded, kept, key, gpu, precision, macs)
