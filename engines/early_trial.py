"""Try a network before there are frames for it, whose size is not known yet."""

from pathlib import Path

from sr4k.engines.base import USUAL_DEVICE, EngineSpec
from sr4k.engines.choose import engine_for
from sr4k.models.architecture import Precision
from sr4k.models.colour import Colour

_SIDE = 64
"""Side in pixels of the frames to assume: enough for a device to prove itself, and quick."""


def try_network(
    engine: str,
    model: str,
    colour: Colour | None,
    *,
    precision: Precision = "auto",
    weights: Path | None = None,
    device: str = USUAL_DEVICE,
    sharpness: int = 0,
) -> None:
    """Try the engine's library, its device, and the weights that it would run; a network that a user brought starts.

    What an NVIDIA GPU says of a network is known only when it is started there, which may take minutes.

    Args:
        engine: name of the backend.
        model, colour, precision, weights, device, sharpness: as in `EngineSpec`.

    Raises:
        EngineError: the library is not installed, or the device isn't there or doesn't give the CPU's picture.
        OptionError: the engine can't run this network, or its weights don't fit.
    """
    spec = EngineSpec(
        model=model,
        height=_SIDE,
        width=_SIDE,
        colour=colour,
        precision=precision,
        weights=weights,
        device=device,
        sharpness=sharpness,
    )
    made, is_foreign = engine_for(engine, spec), spec.foreign is not None
    if is_foreign or spec.device != USUAL_DEVICE:
        with made:
            pass
    if is_foreign:
        return
    if spec.precision == "int8":
        spec.network().quantized(spec.colour)
    else:
        spec.network().folded(spec.colour)
