"""The stages between the decoder and the encoder, which are the same for files, live streams and frames in memory."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from sr4k.configs import EnginePreset
from sr4k.jobs.model_choice import is_twice
from sr4k.media.reports import CLEAN_UP, INFER, SECOND_PASS
from sr4k.models.architecture import Pixels, Precision
from sr4k.models.catalogue import LIGHTER
from sr4k.pipeline import StageSpec
from sr4k.stages.settings import (
    CleanUpSettings,
    ConvertSettings,
    InferSettings,
    PreprocessSettings,
    ReconstructSettings,
    SecondPassSettings,
)


def upscaling(
    engine: EnginePreset,
    convert: ConvertSettings,
    *,
    engines: Sequence[str],
    threads: int,
    pixels: Pixels = "yuv",
    rgb_bits: Literal[8, 16] | None = None,
    prompt: bool = False,
    live: bool = False,
) -> dict[str, StageSpec]:
    """Return the stages that make a large picture of a small one, by name and in the order of the flow.

    Args:
        engine: which network runs, and how.
        convert: settings of the stage after the network.
        engines: names of the engines to try, in order.
        threads: CPU threads of the engine where the preset names no number.
        pixels: what the network works on.
        rgb_bits: depth of the result at most where it is to be RGB; ``None``: it is to be Y'CbCr.
        prompt: whether to optimise latency rather than throughput.
        live: whether frames come in real time; then a smaller network stands by.
    """
    first, *fallbacks = engines
    lighter = lighter_than(engine) if live and pixels == "yuv" else None
    *before, network = engine.chain
    infer = InferSettings(
        engine=first,
        model=network,
        weights=engine.weights,
        precision=engine.precision,
        threads=engine.threads or threads,
        pixels=pixels,
        reuse=engine.reuse,
        reuse_threshold=engine.reuse_threshold,
        fallbacks=tuple(fallbacks),
        prompt=prompt,
        device=engine.device,
        rgb_bits=rgb_bits,
        source_quality=engine.source_quality_given,
        sharpness=engine.sharpness,
        lighter=lighter,
        live=live,
    )
    again = StageSpec(
        "sr4k.stages.second_pass:SecondPass",
        SecondPassSettings(infer=replace(infer, source_quality=0, sharpness=0, lighter=None), size=convert.size),
        called=SECOND_PASS,
    )
    cleaners = tuple(
        replace(
            infer, model=each, weights=None, precision=_of_float(engine), source_quality=0, sharpness=0, lighter=None
        )
        for each in before
    )
    clean_up = StageSpec("sr4k.stages.clean_up:CleanUp", CleanUpSettings(networks=cleaners), called=CLEAN_UP)
    is_once = convert.size is None or not is_twice(engine)
    return {
        **({CLEAN_UP: clean_up} if cleaners else {}),
        "preprocess": StageSpec("sr4k.stages.preprocess:Preprocess", PreprocessSettings(pixels=pixels)),
        INFER: StageSpec("sr4k.stages.infer:Infer", infer),
        "reconstruct": StageSpec("sr4k.stages.reconstruct:Reconstruct", ReconstructSettings(rgb_bits=rgb_bits)),
        **({} if is_once else {SECOND_PASS: again}),
        "convert": StageSpec("sr4k.stages.convert:Convert", replace(convert, rgb_bits=rgb_bits)),
    }


def lighter_than(engine: EnginePreset) -> str | None:
    """Return the name of the smaller network that takes the place of the preset's for lack of time, if there is one."""
    return None if engine.weights is not None else LIGHTER.get(engine.chain[-1])


def _of_float(engine: EnginePreset) -> Precision:
    """Return the precision of networks that have no int8."""
    return "auto" if engine.precision == "int8" else engine.precision
