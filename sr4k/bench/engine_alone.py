"""Times the engine alone, and proves that the network ran."""

import statistics
import time
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.engines import Engine, EngineSpec
from sr4k.engines.base import USUAL_DEVICE, Cells
from sr4k.engines.choose import engine_for
from sr4k.errors import InternalError
from sr4k.jobs.parse import Size
from sr4k.media.sample_pattern import draw
from sr4k.models.architecture import Precision
from sr4k.models.colour import Colour
from sr4k.models.geometry import CELL_OUT, MARGIN, PAD_AFTER, PAD_BEFORE, SCALE, pad_planes, pixel_shuffle

_PICTURES = 4
"""Number of different frames, which are submitted in turn."""

_ROWS_APART = 32
"""Every so many rows enter the checksum."""

_LEAST_CHANGE = 0.02
"""Mean difference from bicubic, in 8-bit levels, below which no network can have run."""


@dataclass(frozen=True)
class EngineTime:
    """Timing of an engine.

    Attributes:
        about: description of the engine, see `sr4k.engines.Engine.describe`.
        rounds: seconds per frame in each round.
        macs: multiply-accumulates per frame.
    """

    about: dict[str, Any]
    rounds: list[float]
    macs: int

    @property
    def median(self) -> float:
        """Median of the rounds, in seconds per frame."""
        return statistics.median(self.rounds)


def measure_engine(
    name: str,
    model: str,
    size: Size,
    *,
    precision: Precision = "auto",
    device: str = USUAL_DEVICE,
    frames: int = 16,
    rounds: int = 5,
) -> EngineTime:
    """Time an engine with as many frames in flight as it accepts.

    Args:
        size: width and height of the input in pixels, both even.
        device: of OpenVINO; see `sr4k.engines.EngineSpec`.
        frames: number of frames in each round.
        rounds: number of rounds, after one to warm up.

    Raises:
        InternalError: a result differs from the first one for the same frame, or equals bicubic's.
    """
    width, height = size
    inputs = [padded_planes(draw(25 * k, size)) for k in range(_PICTURES)]
    spec = EngineSpec(model=model, height=height, width=width, colour=Colour(), precision=precision, device=device)
    is_ours = spec.foreign is None
    with engine_for(name, spec) as engine:
        expected = []
        for planes in inputs:
            engine.submit(planes)
            cells = engine.result()
            if is_ours:  # what others make need not be near a bicubic
                _require_a_network(cells[0], planes[0])
            expected.append(_checksum(cells))
        _run(engine, inputs, expected, frames)
        times = [_run(engine, inputs, expected, frames) for _ in range(rounds)]
        about = engine.describe()
    return EngineTime(about, times, about["macs"])


def padded_planes(bgr: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Convert uint8 BGR (H, W, 3), H and W even, to an engine's padded input planes of luma and chroma."""
    height, width = bgr.shape[:2]
    flat = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420), np.uint8).ravel()
    luma = flat[: height * width].reshape(height, width)
    chroma = flat[height * width :].reshape(2, height // 2, width // 2)
    return pad_planes(luma, chroma)


def _run(engine: Engine, inputs: list[list[NDArray[np.uint8]]], expected: list[int], frames: int) -> float:
    """Run the engine, and return the seconds per frame."""
    submitted, taken = 0, 0
    began = time.perf_counter()
    while taken < frames:
        while submitted < frames and engine.pending < engine.in_flight:
            engine.submit(inputs[submitted % len(inputs)])
            submitted += 1
        if _checksum(engine.result()) != expected[taken % len(inputs)]:
            raise InternalError(f"The engine's result {taken} differs from its first result for the same frame.")
        taken += 1
    return (time.perf_counter() - began) / frames


def _checksum(cells: Cells) -> int:
    """Return the checksum of some rows only, so that it takes negligible time."""
    return zlib.crc32(b"".join(part[::_ROWS_APART].tobytes() for part in cells))


def added_to_bicubic(cells: NDArray[np.uint8], luma: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return the engine's upscaled luma minus the bicubic one: int16 (2H, 2W), for a luma plane (H, W)."""
    values = np.moveaxis(cells[MARGIN:-MARGIN, MARGIN:-MARGIN, : CELL_OUT**2], -1, 0)
    made: NDArray[np.uint8] = pixel_shuffle(values, CELL_OUT)[0]
    return made.astype(np.int16) - bicubic(luma)


def bicubic(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Upscale uint8 luma (H, W) to (2H, 2W) by bicubic interpolation."""
    return np.asarray(cv2.resize(luma, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC), np.uint8)


def _require_a_network(cells: NDArray[np.uint8], luma: NDArray[np.uint8]) -> None:
    if np.abs(added_to_bicubic(cells, luma[PAD_BEFORE:-PAD_AFTER, PAD_BEFORE:-PAD_AFTER])).mean() < _LEAST_CHANGE:
        raise InternalError("The engine's result equals bicubic's: no network ran.")
