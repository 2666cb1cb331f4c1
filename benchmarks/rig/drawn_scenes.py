"""Clips of 1080p that are drawn: film, animation, sports and a screen. Everyone has the same, without a download."""

from collections.abc import Callable
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Final

import av
import numpy as np
from extras import required
from numpy.typing import NDArray

from sr4k.common.opencv import cv2

data = required("skimage.data")

WIDTH, HEIGHT, RATE = 1920, 1080, 25
Picture = NDArray[np.uint8]

_WORDS = (
    *("the", "frame", "scales", "each", "plane", "while", "colour", "range", "stays"),
    *("and", "every", "tile", "of", "text", "is", "drawn", "again"),
)
_INKS = ((40, 40, 40), (20, 60, 160), (150, 40, 30), (30, 110, 50))
_FLATS = ((236, 200, 120), (94, 160, 210), (210, 96, 80), (120, 180, 100), (150, 110, 190))


def film(number: int) -> Picture:
    """Return frame ``number`` of a slow zoom into photographs, out of focus at the edges, with film grain."""
    scale = 1.2 + number / 800
    view = _shown(_photographs(), (900 + 0.6 * number, 620), scale)
    focus = cv2.GaussianBlur(view, (0, 0), 3)
    sharp = _vignette()[..., None]
    grain = np.random.default_rng(number).normal(0, 2.2, (HEIGHT, WIDTH, 1))
    return _rounded(view * sharp + focus * (1 - sharp) + grain)


def animation(number: int) -> Picture:
    """Return frame ``number`` of flat figures with outlines that move before a painted background."""
    picture = _painting().copy()
    for k, colour in enumerate(_FLATS):
        x = int(960 + 620 * np.sin(0.05 * number + 1.3 * k))
        y = int(560 + 260 * np.cos((0.04 + 0.006 * k) * number + k))
        outline = cv2.ellipse2Poly((x, y), (150 + 12 * k, 110), int(2 * number + 40 * k), 0, 360, 6)
        cv2.fillPoly(picture, [outline], colour, cv2.LINE_AA)
        cv2.polylines(picture, [outline], True, (25, 20, 20), 7, cv2.LINE_AA)
        cv2.circle(picture, (x, y - 20), 22, (250, 250, 250), -1, cv2.LINE_AA)
        cv2.circle(picture, (x + 8, y - 18), 9, (20, 20, 20), -1, cv2.LINE_AA)
    return picture


def sports(number: int) -> Picture:
    """Return frame ``number`` of a camera that pans fast over a crowd, with motion blur and players who run."""
    where = 400 + 350 * np.sin(number / 18)
    speed = max(1, int(abs(350 / 18 * np.cos(number / 18))))
    picture = _shown(_crowd(), (where + WIDTH / 2, HEIGHT / 2), 1.0).astype(np.uint8)
    picture = cv2.blur(picture, (speed, 1))
    player = np.kron(data.astronaut()[:200, 130:310], np.ones((2, 2, 1), np.uint8))
    for k in range(4):
        x, y = int((310 * k + (9 + 2 * k) * number) % (WIDTH - 360)), 560 + int(24 * np.sin(number / 3 + k)) + 25 * k
        picture[y : y + len(player), x : x + 360] = player[: HEIGHT - y]
    return picture


def screen(number: int) -> Picture:
    """Return frame ``number`` of a screen: text that scrolls and then stands still, and a window that is dragged."""
    picture = np.full((HEIGHT, WIDTH, 3), (58, 84, 110), np.uint8)
    scrolled = 3 * min(number % 60, 40) + 120 * (number // 60)
    _window(picture, _page(0, 1000)[scrolled:], (60, 60), (1000, 940))
    _window(picture, _page(1, 700), (1130, 90), (700, 380))
    dragged = list(accumulate(6 * (20 < k % 70 < 60) * (1 if k // 70 % 2 == 0 else -1) for k in range(number + 1)))[-1]
    _window(picture, _page(2, 620), (860 + dragged, 520), (620, 420))
    if number // 12 % 2:
        picture[300:318, 700:703] = 0
    return picture


CLIPS: Final[dict[str, Callable[[int], Picture]]] = {
    "film": film,
    "animation": animation,
    "sports": sports,
    "screen": screen,
}
"""By name, functions that return a frame by its number, RGB of `HEIGHT` x `WIDTH`."""


def write_clip(name: str, target: Path, frames: int) -> Path:
    """Write the first frames of a drawn clip as a file of good quality, such as a camera or a recorder makes."""
    with av.open(str(target), "w") as out:
        video = out.add_stream("libx264", rate=RATE, options={"crf": "14", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(frames):
            picture = np.ascontiguousarray(CLIPS[name](number))
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode(None))
    return target


@cache
def _photographs() -> Picture:
    names = ("astronaut", "coffee", "chelsea", "rocket")
    row = np.concatenate([cv2.resize(getattr(data, name)()[:300, :400], (960, 720)) for name in names], axis=1)
    return np.concatenate([row, np.roll(row, 1920, axis=1)])


@cache
def _crowd() -> Picture:
    names = ("astronaut", "coffee", "chelsea", "rocket", "immunohistochemistry")
    row = np.concatenate([getattr(data, name)()[:270, :300] for name in names] * 2, axis=1)
    return np.concatenate([np.roll(row, 300 * k, axis=1) for k in range(4)])


@cache
def _painting() -> Picture:
    down = np.linspace(0, 1, HEIGHT)[:, None, None]
    sky = (1 - down) * np.array([120, 170, 235]) + down * np.array([245, 220, 190]) + np.zeros((1, WIDTH, 1))
    strokes = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 60, (HEIGHT, WIDTH)), (0, 0), 9)
    return _rounded(sky + strokes[..., None])


@cache
def _vignette() -> NDArray[np.float64]:
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    return np.clip(1.4 - (x * x + y * y), 0, 1)


@cache
def _page(seed: int, width: int) -> Picture:
    page, rng = np.full((1600, width, 3), 250, np.uint8), np.random.default_rng(seed)
    for y in range(24, 1600, 24):
        line = " ".join(rng.choice(_WORDS, width // 75))
        ink, indent = _INKS[rng.integers(len(_INKS))], 12 + 30 * int(rng.integers(3))
        cv2.putText(page, line, (indent, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, 1, cv2.LINE_AA)
    return page


def _window(picture: Picture, page: Picture, corner: tuple[int, int], size: tuple[int, int]) -> None:
    (x, y), (width, height) = corner, size
    picture[y - 30 : y, x : x + width] = (215, 218, 222)
    cv2.putText(picture, "notes.txt", (x + 10, y - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (30, 30, 30), 1, cv2.LINE_AA)
    picture[y : y + height, x : x + width] = page[:height, :width]


def _shown(wall: Picture, centre: tuple[float, float], scale: float) -> NDArray[np.float32]:
    """Return a view of a wall of pictures, at positions between pixels too, ``scale`` times as large."""
    matrix = np.array([[scale, 0, WIDTH / 2 - scale * centre[0]], [0, scale, HEIGHT / 2 - scale * centre[1]]])
    how = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REFLECT_101}
    return cv2.warpAffine(wall, matrix, (WIDTH, HEIGHT), **how).astype(np.float32)


def _rounded(picture: NDArray[np.floating]) -> Picture:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
