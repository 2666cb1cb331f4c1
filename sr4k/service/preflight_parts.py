"""Try a live channel's network, encoder and slate, as far as possible without its source."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import av

from sr4k.engines import EngineSpec, load_engine
from sr4k.engines.base import USUAL_DEVICE
from sr4k.engines.choose import engine_for
from sr4k.errors import Sr4kError
from sr4k.jobs.live_job import LiveJob
from sr4k.jobs.model_choice import engines_of
from sr4k.live.address import parse_pattern
from sr4k.live.send.encoder_settings import encoder_settings
from sr4k.live.send.slate import load_slate
from sr4k.live.send.whip_target import require_whip
from sr4k.live.timeline import TIME_BASE
from sr4k.media.placement import placed
from sr4k.media.video import VideoInfo, untagged_info
from sr4k.media.writing.encoder import add_video, open_encoder
from sr4k.models import catalogue, zoo
from sr4k.models.architecture import Precision
from sr4k.models.colour import Colour

_USUAL = (640, 360), Fraction(30)
"""Size and frame rate of a source to assume where its address does not tell them."""

_SIDE = 64
"""Side in pixels of the frames that a device is tried for."""


def troubles_of_parts(job: LiveJob) -> Iterator[str]:
    """Yield a sentence for each part that fails."""
    for part in (_network, _output, _targets):
        if (trouble := _trouble(part, job)) is not None:
            yield trouble


def _trouble(part: Callable[[LiveJob], None], job: LiveJob) -> str | None:
    try:
        part(job)
    except Sr4kError as err:
        return str(err)
    except (OSError, RuntimeError, ValueError, MemoryError) as err:
        return f"{type(err).__name__}: {err}"
    return None


def _network(job: LiveJob) -> None:
    """Load the engine's library, and weights that fit the model."""
    engine = job.preset.engine
    name, colour = engines_of(engine)[0], _info(job).colour
    load_engine(name)
    if engine.device != USUAL_DEVICE:  # it must prove itself
        spec = EngineSpec(
            model=engine.chain[-1],
            height=_SIDE,
            width=_SIDE,
            colour=colour,
            precision=engine.precision,
            weights=engine.weights,
            device=engine.device,
        )
        with engine_for(name, spec):
            pass
    for network in engine.chain:
        if catalogue.is_foreign(network):
            _foreign(name, network, colour, engine.precision if network == engine.chain[-1] else "auto")
    if catalogue.is_foreign(engine.chain[-1]):
        return
    model = zoo.load(engine.chain[-1], engine.weights)
    if engine.precision == "int8":
        model.quantized(colour)
    else:
        model.folded(colour)


def _foreign(engine: str, network: str, colour: Colour, precision: Precision) -> None:
    """Start a network that the user brought."""
    with engine_for(engine, EngineSpec(model=network, height=_SIDE, width=_SIDE, colour=colour, precision=precision)):
        pass


def _output(job: LiveJob) -> None:
    """Open the encoder for the output size, and load the slate."""
    settings, info = job.playout(None), _info(job)
    with av.open(io.BytesIO(), "w", format="flv") as container:
        stream = add_video(container, info, encoder_settings(settings, info))
        open_encoder(stream)
    if settings.slate is not None:
        load_slate(settings.slate, info)


def _targets(job: LiveJob) -> None:
    """Check that libav can write to the targets."""
    if any(target.kind == "whip" for target in job.targets):
        require_whip()


def _info(job: LiveJob) -> VideoInfo:
    source, rate = _USUAL
    if job.source.kind == "pattern":
        source, rate, _ = parse_pattern(job.source)
    width, height = (catalogue.figures(job.preset.engine.chain[-1]).scale * side for side in source)
    info = replace(untagged_info(source, rate, TIME_BASE), width=width, height=height, source_size=source)
    if job.size is None:
        return info
    width, height = placed(job.size, info).size
    return replace(info, width=width, height=height)
