"""The engine alone: how fast it goes when nothing else runs, and proof that it ran."""

import statistics
import time
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.engines import Engine, EngineSpec, create_engine
from sr4k.errors import InternalError
from sr4k.jobs.parse import Size
from sr4k.media.sample_pattern import draw
from sr4k.models.architecture import Precision
from sr4k.models.colour import Colour
from sr4k.models.geometry import CELL_OUT, MARGIN, PAD_AFTER, PAD_BEFORE, SCALE, pad_planes, pixel_shuffle

_PICTURES = 4
"""Different pictures that take turns."""

_ROWS_APART = 32

_LEAST_CHANGE = 0.02
"""Mean difference to a bicubic, 8-bit levels, below which no network can have run."""


@dataclass(frozen=True)
class EngineTime:
    """Seconds a frame of each round, and how much work a frame is."""

    about: dict[str, Any]
    rounds: list[float]
    macs: int

    @property
    def median(self) -> float:
        """Seconds a frame."""
        return statistics.median(self.rounds)


def measure_engine(
    name: str, model: str, size: Size, *, precision: Precision = "auto", frames: int = 16, rounds: int = 5
) -> EngineTime:
    """Time an engine, kept as full as it takes; each result is checked against its picture's first.

    Raises:
        InternalError: a result is another than the first of its picture, or a bicubic's.
    """
    width, height = size
    inputs = [padded_planes(draw(25 * k, size)) for k in range(_PICTURES)]
    with create_engine(
        name, EngineSpec(model=model, height=height, width=width, colour=Colour(), precision=precision)
    ) as engine:
        expected = []
        for planes in inputs:  # this warms up as well
            cells = engine.infer(planes)
            _require_a_network(cells, planes[0])
            expected.append(_checksum(cells))
        _run(engine, inputs, expected, frames)
        times = [_run(engine, inputs, expected, frames) for _ in range(rounds)]
        about = engine.describe()
    return EngineTime(about, times, about["macs"])


def padded_planes(bgr: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Luma and chroma planes as an engine takes them, of BGR (H, W, 3); H and W even."""
    height, width = bgr.shape[:2]
    flat = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420), np.uint8).ravel()
    luma = flat[: height * width].reshape(height, width)
    chroma = flat[height * width :].reshape(2, height // 2, width // 2)
    return pad_planes(luma, chroma)


def _run(engine: Engine, inputs: list[list[NDArray[np.uint8]]], expected: list[int], frames: int) -> float:
    """Seconds a frame."""
    submitted, taken = 0, 0
    began = time.perf_counter()
    while taken < frames:
        while submitted < frames and engine.pending < engine.in_flight:
            engine.submit(inputs[submitted % len(inputs)])
            submitted += 1
        if _checksum(engine.result()) != expected[taken % len(inputs)]:
            raise InternalError(f"The engine's result {taken} is not what it was before.")
        taken += 1
    return (time.perf_counter() - began) / frames


def _checksum(cells: NDArray[np.uint8]) -> int:
    """Of some rows, so that it takes no time to speak of."""
    return zlib.crc32(cells[::_ROWS_APART].tobytes())


def added_to_bicubic(cells: NDArray[np.uint8], luma: NDArray[np.uint8]) -> NDArray[np.int16]:
    """What an engine's sub-pixels make of a luma plane (H, W), less what a bicubic makes of it: (2H, 2W)."""
    values = np.moveaxis(cells[MARGIN:-MARGIN, MARGIN:-MARGIN, : CELL_OUT**2], -1, 0)
    made: NDArray[np.uint8] = pixel_shuffle(values, CELL_OUT)[0]
    return made.astype(np.int16) - bicubic(luma)


def bicubic(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) to (2H, 2W)."""
    return np.asarray(cv2.resize(luma, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC), np.uint8)


def _require_a_network(cells: NDArray[np.uint8], luma: NDArray[np.uint8]) -> None:
    if np.abs(added_to_bicubic(cells, luma[PAD_BEFORE:-PAD_AFTER, PAD_BEFORE:-PAD_AFTER])).mean() < _LEAST_CHANGE:
        raise InternalError("The engine's result is a bicubic's: no network ran.")
