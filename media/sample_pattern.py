"""Draws the sample clip: moving shapes with fine detail, a frame counter, and a gliding tone."""

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2

RATE = 25
SAMPLE_RATE = 48_000


def draw(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw frame ``number`` of the clip at ``size`` (width, height): BGR, (height, width, 3), uint8."""
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    t = number / RATE
    rings = np.hypot(x - width * (0.5 + 0.2 * np.cos(t)), y - height * (0.5 + 0.2 * np.sin(t)))
    picture = np.stack(
        [
            128 + 90 * np.sin(x / 40 + t),
            128 + 90 * np.sin(y / 30 - 2 * t),
            128 + 100 * np.sin(rings**2 / (3 * width)),
        ],
        axis=2,
    ).astype(np.uint8)
    centre = (int(width * (0.5 + 0.35 * np.sin(1.3 * t))), int(height * (0.5 + 0.3 * np.cos(1.7 * t))))
    cv2.circle(picture, centre, height // 8, (240, 240, 240), -1, cv2.LINE_AA)
    cv2.circle(picture, centre, height // 8, (20, 20, 20), 2, cv2.LINE_AA)
    scale = height / 360
    cv2.putText(
        picture,
        f"sr4k {number:05d}",
        (int(12 * scale), int(34 * scale)),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        (255, 255, 255),
        max(1, round(2 * scale)),
        cv2.LINE_AA,
    )
    return picture


def tone(first: int, count: int) -> NDArray[np.float32]:
    """Return ``count`` samples from number ``first`` on, -1 to 1, of a tone that glides between 220 and 660 Hz."""
    t = (first + np.arange(count)) / SAMPLE_RATE
    wave: NDArray[np.float64] = 0.2 * np.sin(2 * np.pi * (440 * t - 220 / np.pi * np.cos(np.pi * t)))
    return wave.astype(np.float32)
