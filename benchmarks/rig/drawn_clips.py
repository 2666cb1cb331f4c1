"""Drawn clips of 1080p: what stands still, what moves by whole pixels, and what else there is."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import av
import numpy as np
from extras import required
from numpy.typing import NDArray

from sr4k.common.opencv import cv2

data = required("skimage.data")

WIDTH, HEIGHT, FRAMES = 1920, 1080, 100

Picture = NDArray[np.uint8]
Draw = Callable[[int], Picture]
"""Returns a frame by its number, RGB of ``HEIGHT`` x ``WIDTH``."""

_WORDS = (
    "network",
    "frame",
    "picture",
    "edge",
    "pixels",
    "moves",
    "nothing",
    "else",
    "page",
    "scrolls",
    "of",
    "the",
    "a",
)


def wall() -> Picture:
    """Return photographs side by side, larger than a frame, RGB."""
    names = ("astronaut", "coffee", "chelsea", "rocket", "immunohistochemistry")
    row = np.concatenate([getattr(data, name)()[:300, :400] for name in names], axis=1)
    return np.concatenate([np.roll(row, 400 * k, axis=1) for k in range(4)])


def slides(number: int) -> Picture:
    """Return frame ``number`` of slides: a new still every two seconds."""
    return np.roll(wall(), 400 * (number // 50), axis=1)[:HEIGHT, :WIDTH]


def head(number: int) -> Picture:
    """Return frame ``number`` of a talking head: a face that sways before a still background."""
    picture = wall()[:HEIGHT, :WIDTH].copy()
    face = np.kron(data.astronaut()[:300, 100:350], np.ones((3, 2, 1), np.uint8))
    x = 700 + int(30 * np.sin(number / 6))
    picture[HEIGHT - len(face) :, x : x + face.shape[1]] = face
    return picture


@cache
def page(paper: int, ink: int) -> Picture:
    """Return a page of text, taller and wider than a frame, RGB."""
    chosen = np.random.default_rng(0).choice(_WORDS, (150, 40))
    made = np.full((150 * 36, WIDTH + 600, 3), paper, np.uint8)
    for line, row in enumerate(chosen):
        text = " ".join(row[: 8 + line % 7 * 2])
        cv2.putText(made, text, (60, 30 + 36 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (ink,) * 3, 2, cv2.LINE_AA)
    return made


def scrolling(speed: int) -> Draw:
    """Return what draws frames of a page that scrolls by ``speed`` pixels a frame."""
    return lambda number: page(250, 30)[speed * number : speed * number + HEIGHT, :WIDTH]


def credits_of_a_film(number: int) -> Picture:
    """Return frame ``number`` of credits: light text in the middle of black, which rises by three pixels a frame."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:, 600:1300] = page(0, 225)[3 * number : 3 * number + HEIGHT, :700]
    return picture


def window(number: int) -> Picture:
    """Return frame ``number`` of a screen: in a window a page scrolls by eight pixels a frame, then rests."""
    picture = wall()[:HEIGHT, :WIDTH].copy()
    top = 8 * (number % 25 if number % 50 < 25 else 25)
    picture[120:1000, 300:1700] = page(250, 30)[top : top + 880, :1400]
    return picture


@cache
def drawing() -> Picture:
    """Return a drawing, wider than a frame, RGB: flat colours with soft edges."""
    numbers = np.random.default_rng(1)
    made = np.full((HEIGHT, WIDTH + 600, 3), (150, 190, 220), np.uint8)
    for _ in range(150):
        centre, size = numbers.integers(0, (WIDTH + 600, HEIGHT)), numbers.integers(20, 160, 2)
        colour, angle = numbers.integers(0, 256, 3).tolist(), int(numbers.integers(180))
        cv2.ellipse(made, centre.tolist(), size.tolist(), angle, 0, 360, colour, -1, cv2.LINE_AA)
        cv2.ellipse(made, centre.tolist(), size.tolist(), angle, 0, 360, (30, 20, 20), 3, cv2.LINE_AA)
    return made


def pan_over_a_drawing(number: int) -> Picture:
    """Return frame ``number`` of a camera that pans over a drawing by four pixels a frame."""
    return drawing()[:, 4 * number : 4 * number + WIDTH]


def pan(number: int) -> Picture:
    """Return frame ``number`` of a pan, where everything moves."""
    return wall()[number : number + HEIGHT, number % 80 : number % 80 + WIDTH]


def noisy(number: int) -> Picture:
    """Return frame ``number`` of the talking head with camera noise."""
    noise = np.random.default_rng(number).normal(0, 1.5, (HEIGHT, WIDTH, 1))
    return np.clip(np.rint(head(number) + noise), 0, 255).astype(np.uint8)


def write(target: Path, draw: Draw, options: Mapping[str, str]) -> Path:
    """Write a clip of `FRAMES` frames by libx264 with these options; return its path."""
    with av.open(str(target), "w") as out:
        video = out.add_stream("libx264", rate=25, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            picture = np.ascontiguousarray(draw(number))
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode(None))
    return target
