"""Drawn windows: what photographs hold too little of, and captions, charts and test cards are made of."""

import numpy as np
from numpy.typing import NDArray


def drawn(count: int, side: int, seed: int) -> NDArray[np.float32]:
    """Return ``count`` gray windows (count, 1, side, side), whole code values 0..255.

    Each is a wave whose frequency changes across it, up to half a cycle per pixel and beyond, or hard-edged bars of
    such a wave, over a slope; the range of many is that of a black and white picture.
    """
    rng = np.random.default_rng((9, seed))
    y, x = np.mgrid[:side, :side].astype(np.float32)
    made = np.empty((count, 1, side, side), np.float32)
    for window in made:
        left, top, period = rng.uniform(0, 150), rng.uniform(0, 150), rng.uniform(20, 200)
        wave = np.sin(((x + left) ** 2 + (y + top) ** 2) / period)
        if rng.random() < 0.3:
            wave = np.sign(wave)
        slope = rng.uniform(-0.5, 0.5) * (x / side - 0.5) + rng.uniform(-0.5, 0.5) * (y / side - 0.5)
        window[0] = np.rint(np.clip(128 + rng.uniform(20, 130) * wave + 127 * slope, 0, 255))
    return made
