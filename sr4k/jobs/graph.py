"""Assemble the graph of a preset between a source and a sink, run it, and turn its failures into our errors.

Jobs on files and live jobs differ in their first and last stage; `sr4k.jobs.upscaling` has those between.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Literal

from sr4k.common.logs import log_wire
from sr4k.common.option_names import reader
from sr4k.common.system_errors import refusal
from sr4k.configs import STAGES, GraphPreset, Preset, StageName
from sr4k.engines.base import USUAL_DEVICE
from sr4k.engines.choose import GPU_ENGINES
from sr4k.engines.cpu import granted_cpus
from sr4k.engines.nvidia import only
from sr4k.errors import InternalError, Sr4kError, StoppedError
from sr4k.jobs.model_choice import engines_of
from sr4k.jobs.preparation import Preparation
from sr4k.jobs.upscaling import upscaling
from sr4k.media.reports import CLEAN_UP, DECODE, ENCODE, INFER, SECOND_PASS
from sr4k.models.architecture import Pixels
from sr4k.models.catalogue import is_foreign
from sr4k.pipeline import (
    GraphAborted,
    GraphSpec,
    Outcome,
    StageFailed,
    StageSpec,
    WorkerSpec,
    WorkerStatus,
    run_graph,
)
from sr4k.pipeline.spawning import has_interpreter
from sr4k.stages.settings import ConvertSettings

log = logging.getLogger(__name__)

_CPUS_OF_A_LANE = 16
"""CPUs that one lane, with its share of the decoder and encoder, keeps busy."""


def assembled(
    preset: Preset,
    *,
    decode: StageSpec,
    convert: ConvertSettings,
    encode: StageSpec,
    pixels: Pixels = "yuv",
    rgb_bits: Literal[8, 16] | None = None,
    cpus: int | None = None,
    prompt: bool = False,
) -> GraphSpec:
    """Return the graph of a preset.

    Args:
        preset: how the stages are spread over workers, and which network runs.
        decode: the first stage.
        convert: settings of the stage after the network.
        encode: the last stage.
        pixels: what the network works on.
        rgb_bits: see `sr4k.jobs.upscaling.upscaling`.
        cpus: number of CPUs to plan for; ``None``: all that are granted.
        prompt: whether to optimise latency rather than throughput; frames then pass through one network, from and to
            host memory.

    Raises:
        EngineError: no engine can be used.
        OptionError: the preset names a GPU that does not exist.
    """
    layout, cpus = preset.graph, cpus or granted_cpus()
    *before, network = preset.engine.chain
    engines = engines_of(preset.engine)
    on_gpu = engines[0] in GPU_ENGINES
    stays_there = not before and not is_foreign(network)  # frames, in the GPU's memory
    is_on_cpu = not on_gpu and preset.engine.device in ("auto", USUAL_DEVICE)
    lanes = 1 if prompt else _lanes(layout, cpus, is_on_cpu=is_on_cpu)
    between = upscaling(
        preset.engine,
        convert,
        engines=engines,
        threads=max(1, cpus // lanes),
        pixels=pixels,
        rgb_bits=rgb_bits,
        prompt=prompt,
        live=prompt,
    )
    specs = {DECODE: decode, **between, ENCODE: encode}
    devices = tuple(only(device) for device in layout.devices)
    workers = []
    for name, names in layout.workers.items():
        stages = tuple(_listed(specs, names))
        if name == layout.upscaler:
            workers.append(WorkerSpec(name, stages, lanes, environments=devices))
        elif on_gpu and stays_there and pixels == "yuv" and not prompt and {*STAGES[:-1]} <= {*names}:
            workers.append(WorkerSpec(name, tuple(_on_gpu(specs, names))))
        else:
            workers.append(WorkerSpec(name, stages))
    shared = tuple(specs[name].factory.partition(":")[0] for name in (DECODE, ENCODE))
    return GraphSpec(tuple(workers), (layout.slots,) * (len(workers) - 1), layout.mode, shared)


def run_assembled(
    spec: GraphSpec,
    *,
    on_status: Callable[[dict[str, WorkerStatus]], None],
    stop_requests: Callable[[], int],
) -> Outcome:
    """Run a graph; for the arguments see `sr4k.pipeline.run_graph`. Its log records reach the loggers of this process.

    Raises:
        Sr4kError: a stage failed with an error for the user.
        StoppedError: a second stop was requested.
        InternalError: a stage failed with any other exception.
        WorkerDied: a worker process was killed or crashed; the caller decides whether to restart.
    """
    try:
        with log_wire() as wire:
            prepare = Preparation(wire, reader())
            return run_graph(_possible(spec), on_status=on_status, stop_requests=stop_requests, prepare=prepare)
    except StageFailed as err:
        log.debug("%s failed:\n%s", err.stage, err.trace)
        if isinstance(err.cause, Sr4kError):
            raise err.cause from err
        if (refused := refusal(err.cause)) is not None:
            raise refused from err
        raise InternalError(f"{err.stage} failed: {str(err.cause) or type(err.cause).__name__}") from err
    except GraphAborted as err:
        raise StoppedError("Stopped at once.") from err


def _listed(specs: Mapping[str, StageSpec], names: Sequence[StageName]) -> Iterator[StageSpec]:
    """Yield the stages with these names, and those that presets don't name: clean-up first, and a second pass."""
    for name in names:
        if name == "preprocess" and CLEAN_UP in specs:
            yield specs[CLEAN_UP]
        yield specs[name]
        if name == "reconstruct" and SECOND_PASS in specs:
            yield specs[SECOND_PASS]


def _possible(spec: GraphSpec) -> GraphSpec:
    """Return the graph, with threads for its workers where no processes can be started."""
    if spec.mode == "threads" or has_interpreter():
        return spec
    _tell_threads()
    return replace(spec, mode="threads")


@cache
def _tell_threads() -> None:
    log.warning("There is no Python to start processes with, so workers are threads: sys.executable can be set to one.")


def _on_gpu(specs: Mapping[str, StageSpec], stages: Sequence[StageName]) -> Iterator[StageSpec]:
    """Yield the GPU stages of a worker that holds all stages up to the encoder: one kernel replaces those between.

    A result of another size than the network's output is made in host memory: the network's second pass, and scaling.
    So are pictures.
    """
    yield replace(specs[DECODE], factory="sr4k.stages.gpu:GpuDecode", called=DECODE)
    yield replace(specs[INFER], factory="sr4k.stages.gpu:GpuUpscale", called=INFER)
    convert = specs["convert"].settings
    assert isinstance(convert, ConvertSettings)
    is_converted = convert.size is not None or convert.rgb_bits is not None
    is_in_segments = specs[ENCODE].factory == "sr4k.stages.encode:Encode"
    is_nvenc = is_in_segments and getattr(specs[ENCODE].settings, "encoder", "") in ("auto", "nvenc")
    if not is_converted and ENCODE in stages and is_nvenc:
        yield replace(specs[ENCODE], factory="sr4k.stages.gpu_encode:GpuEncode", called=ENCODE)
        return
    yield StageSpec("sr4k.stages.gpu_copies:Download")
    if is_converted:
        if SECOND_PASS in specs:
            yield specs[SECOND_PASS]
        yield specs["convert"]
    if ENCODE in stages:
        yield specs[ENCODE]


def _lanes(layout: GraphPreset, cpus: int, *, is_on_cpu: bool) -> int:
    if layout.lanes != "auto":
        return layout.lanes
    if not is_on_cpu:
        return max(1, len(layout.devices))
    return 1 if layout.upscaler is None else max(1, cpus // _CPUS_OF_A_LANE)
