"""Drawn windows of hard edges: what photographs hold too little of for a network to learn to leave no halos there."""

from functools import lru_cache

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.models.geometry import SCALE
from sr4k.models.training.frames import luma_of, shrunk

_FINE = 4
"""Samples of a drawing for each pixel of the window, along an axis."""

_BLACK, _WHITE = 16, 235
_FAINTEST, _STRONGEST = 15, 200
"""Range of the difference of a shape's level from the ground's, in 8-bit levels of limited range."""

_SCALERS = (Interpolation.BICUBIC, Interpolation.BICUBIC, Interpolation.AREA, Interpolation.LANCZOS)
_SOFT = 0.3
"""Share of the windows that are softened, as by a lens."""

Canvas = NDArray[np.uint8]


@lru_cache(1)
def drawn_edges(count: int, side: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return luma of limited range, uint8: ``low`` (count, side, side) and ``high`` (count, 2 side, 2 side).

    Each window has half planes, polygons, strokes and circles, or letters, antialiased, on a flat ground.
    """
    rng = np.random.default_rng((13, seed))
    highs = [_drawn(SCALE * side, rng) for _ in range(count)]
    lows = [_shrunk(high, _SCALERS[rng.integers(len(_SCALERS))]) for high in highs]
    return np.stack(lows), np.stack(highs)


def _drawn(side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    ground = int(rng.integers(_BLACK, _WHITE))
    canvas = np.full((_FINE * side, _FINE * side), ground, np.uint8)
    draw = (_half_planes, _half_planes, _polygons, _strokes, _letters)[rng.integers(5)]
    draw(canvas, ground, rng)
    high = cv2.resize(canvas.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    if rng.random() < _SOFT:
        high = cv2.GaussianBlur(high, (0, 0), float(rng.uniform(0.3, 0.9)))
    return np.clip(np.rint(high), _BLACK, _WHITE).astype(np.uint8)


def _level(ground: int, rng: np.random.Generator) -> int:
    away = int(rng.integers(_FAINTEST, _STRONGEST)) * int(rng.choice([-1, 1]))
    return int(np.clip(ground + away, _BLACK, _WHITE))


def _half_planes(canvas: Canvas, ground: int, rng: np.random.Generator) -> None:
    rows, columns = np.mgrid[: len(canvas), : len(canvas)].astype(np.float32)
    for _ in range(rng.integers(1, 4)):
        y, x = rng.uniform(0, len(canvas), 2)
        angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.8 else rng.integers(4) * np.pi / 2
        canvas[(columns - x) * np.cos(angle) + (rows - y) * np.sin(angle) < 0] = _level(ground, rng)


def _polygons(canvas: Canvas, ground: int, rng: np.random.Generator) -> None:
    side = len(canvas)
    for _ in range(rng.integers(2, 8)):
        corners = rng.integers(-side // 4, side + side // 4, (rng.integers(3, 6), 2))
        cv2.fillPoly(canvas, [corners.astype(np.int32)], _level(ground, rng))


def _strokes(canvas: Canvas, ground: int, rng: np.random.Generator) -> None:
    side = len(canvas)
    for _ in range(rng.integers(2, 10)):
        start, end = rng.integers(0, side, (2, 2)).tolist()
        cv2.line(canvas, start, end, _level(ground, rng), int(rng.integers(_FINE, 8 * _FINE)))
        if rng.random() < 0.4:
            radius, width = int(rng.integers(8, side // 2)), int(rng.integers(_FINE, 8 * _FINE))
            cv2.circle(canvas, start, radius, _level(ground, rng), width)


def _letters(canvas: Canvas, ground: int, rng: np.random.Generator) -> None:
    side = len(canvas)
    for _ in range(rng.integers(3, 9)):
        text = "".join(map(chr, rng.integers(ord("0"), ord("z"), 12)))
        place = int(rng.integers(-side // 4, side // 4)), int(rng.integers(0, side))
        font, size, width = int(rng.integers(6)), float(rng.uniform(1, 6)), int(rng.integers(_FINE, 6 * _FINE))
        cv2.putText(canvas, text, place, font, size, _level(ground, rng), width, cv2.LINE_AA)


def _shrunk(high: NDArray[np.uint8], how: Interpolation) -> NDArray[np.uint8]:
    gray = np.full((len(high) // 2, len(high)), 128, np.uint8)
    return luma_of(shrunk(av.VideoFrame.from_ndarray(np.concatenate([high, gray]), format="yuv420p"), how))
