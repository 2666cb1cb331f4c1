"""Try a live channel's network, encoder and slate, as far as possible without its source."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

from sr4k.engines.early_trial import try_network
from sr4k.errors import Sr4kError
from sr4k.jobs.live_job import LiveJob
from sr4k.jobs.model_choice import engines_of
from sr4k.live.address import parse_pattern
from sr4k.live.send.output_trial import try_encoder
from sr4k.live.send.slate import load_slate
from sr4k.live.send.whip_target import require_whip
from sr4k.live.timeline import TIME_BASE
from sr4k.media.placement import placed
from sr4k.media.video import VideoInfo, untagged_info
from sr4k.models import catalogue

_USUAL = (640, 360), Fraction(30)
"""Size and frame rate of a source to assume where its address does not tell them."""


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
    """Load the engine's library, and weights that fit the model; start networks that the user brought."""
    engine, colour = job.preset.engine, _info(job).colour
    name = engines_of(engine)[0]
    *before, last = engine.chain
    for network in before:
        try_network(name, network, colour)
    try_network(name, last, colour, precision=engine.precision, weights=engine.weights, device=engine.device)


def _output(job: LiveJob) -> None:
    """Open the encoder for the output size, and load the slate."""
    settings, info = job.playout(None), _info(job)
    try_encoder(settings, info)
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
