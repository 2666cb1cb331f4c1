"""Simulate camera motion over a picture: short clips of moving views.

Uncompressed video is rare, and photographs are not, so the effects of codecs on motion are learned from photographs.
Views that move by whole pixels are as sharp as the picture; interpolation softens those that zoom, turn or warp.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2

_STILL, _PANNED = 0.1, 0.35
"""Shares of the clips that stand still, and that move by whole pixels."""

_FASTEST = 10.0
"""Highest speed of a view, in pixels per frame."""

_ZOOM, _TURN, _WARP = 0.015, 0.012, 3.0
"""Largest zoom and turn (radians) per frame, and scale of the warp in pixels."""

_WAVELENGTH = (24, 128)
"""Range of the distance in pixels between points displaced independently: leaves and water, or faces and cloth."""

_SWAY = 1.2
"""Largest change of the phase of that displacement per frame, in radians."""


@dataclass(frozen=True, slots=True)
class _Path:
    """Path of a view, each (n,) over the frames: centre in pixels, size as a factor, angle and phase of the warp."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    zoom: NDArray[np.float64]
    angle: NDArray[np.float64]
    warp: NDArray[np.float64]


def moving(
    picture: NDArray[np.uint8], size: tuple[int, int], frames: int, rng: np.random.Generator
) -> Iterator[NDArray[np.uint8]]:
    """Yield views (height, width, channels) of ``size`` of a picture (H, W, channels) that is at least as large.

    They stand still, pan by whole pixels, or pan, zoom, turn and warp by any amount. The picture is mirrored beyond its
    border.
    """
    room = np.array(picture.shape[:2], np.float64) - size
    kind = rng.random()
    if kind < _STILL + _PANNED:
        yield from _panned(picture, size, room, frames if kind >= _STILL else 0, frames, rng)
        return
    path = _drawn_path(room, size, frames, rng)
    wavelength = int(rng.integers(*_WAVELENGTH))
    shifts = [_smooth_noise(size, wavelength, rng) for _ in range(4)]
    rows, columns = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in size), indexing="ij")
    rows, columns = rows - size[0] / 2, columns - size[1] / 2
    how = cv2.INTER_LANCZOS4 if rng.random() < 0.5 else cv2.INTER_CUBIC
    for k in range(frames):
        cosine, sine = (path.zoom[k] * f(path.angle[k]) for f in (np.cos, np.sin))
        swing, sway = np.cos(path.warp[k]), np.sin(path.warp[k])
        x = path.x[k] + cosine * columns - sine * rows + swing * shifts[0] + sway * shifts[1]
        y = path.y[k] + sine * columns + cosine * rows + swing * shifts[2] + sway * shifts[3]
        moved = cv2.remap(picture, x.astype(np.float32), y.astype(np.float32), how, borderMode=cv2.BORDER_REFLECT_101)
        yield np.asarray(moved, np.uint8)


def _panned(
    picture: NDArray[np.uint8],
    size: tuple[int, int],
    room: NDArray[np.float64],
    moves: int,
    frames: int,
    rng: np.random.Generator,
) -> Iterator[NDArray[np.uint8]]:
    start = rng.uniform(0, room)
    speed = rng.uniform(-_FASTEST, _FASTEST, 2) * rng.random()
    for k in range(frames):
        place = start + speed * min(k, moves) + (rng.normal(0, 0.5, 2) if moves else 0)
        top, left = np.clip(np.rint(place), 0, room).astype(int)
        yield picture[top : top + size[0], left : left + size[1]]


def _drawn_path(room: NDArray[np.float64], size: tuple[int, int], frames: int, rng: np.random.Generator) -> _Path:
    time = np.arange(frames) - frames / 2
    y, x = rng.uniform(0, room) + np.array(size) / 2
    speed_y, speed_x = rng.uniform(-_FASTEST, _FASTEST, 2) * rng.random()
    zoom, turn = rng.uniform(-_ZOOM, _ZOOM), rng.uniform(-_TURN, _TURN)
    start = rng.uniform(0.9, 1.05)
    return _Path(
        x + speed_x * time,
        y + speed_y * time,
        start * np.exp(zoom * rng.random() * time),
        np.asarray(turn * rng.random() * time + rng.normal(0, 0.03), np.float64),
        np.asarray(rng.uniform(0, 2 * np.pi) + rng.uniform(0, _SWAY) * time, np.float64),
    )


def _smooth_noise(size: tuple[int, int], wavelength: int, rng: np.random.Generator) -> NDArray[np.float32]:
    coarse = [side // wavelength + 2 for side in size]
    drawn = rng.normal(0, rng.random() * _WARP, coarse).astype(np.float32)
    return np.asarray(cv2.resize(drawn, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
