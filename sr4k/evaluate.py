"""A network's picture quality, measured through the engine that ships."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr4k.engines import EngineSpec, create_engine
from sr4k.models.architecture import CELL_OUT, SCALE, Precision
from sr4k.models.fold import MARGIN, PAD_AFTER, PAD_BEFORE

Upscale = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def upscaler(model: str, precision: Precision, weights: Path | None = None) -> Upscale:
    """A function from uint8 RGB (H, W, 3) to (2H, 2W, 3) that runs the network on RGB in OpenVINO."""

    def upscale(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = low.shape[:2]
        even = (height + height % 2, width + width % 2)
        after = (PAD_AFTER + height % 2, PAD_AFTER + width % 2)
        padded = np.pad(low, ((PAD_BEFORE, after[0]), (PAD_BEFORE, after[1]), (0, 0)), mode="edge")
        planes = np.ascontiguousarray(padded.transpose(2, 0, 1), np.float32)
        with create_engine(
            "openvino", EngineSpec(model, *even, colour=None, precision=precision, weights=weights)
        ) as e:
            inner = slice(MARGIN, -MARGIN)
            cells = e.infer([planes])[inner, inner]
            rows, columns, _ = cells.shape
            r = CELL_OUT
            picture = cells.reshape(rows, columns, 3, r, r).transpose(0, 3, 1, 4, 2).reshape(rows * r, columns * r, 3)
            return np.clip(np.rint(picture[: SCALE * height, : SCALE * width]), 0, 255).astype(np.uint8)

    return upscale
