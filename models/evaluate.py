"""PSNR-Y of a network on a folder of high-resolution pictures, by the usual protocol."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr4k.models.architecture import SCALE
from sr4k.models.metrics import psnr_y
from sr4k.models.pictures import picture_files, read_rgb
from sr4k.models.resize import imresize

Upscale = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""uint8 RGB (H, W, 3) to (2H, 2W, 3)."""


def bicubic(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The baseline: MATLAB's bicubic x2."""
    return imresize(low, SCALE * low.shape[0], SCALE * low.shape[1])


def mean_psnr_y(folder: Path, upscale: Upscale) -> float:
    """Mean PSNR-Y in dB over the pictures of ``folder``, each shrunk by MATLAB's bicubic and upscaled again."""
    scores = []
    for path in picture_files([folder]):
        high = read_rgb(path)
        height, width = (side // SCALE for side in high.shape[:2])
        high = high[: height * SCALE, : width * SCALE]
        scores.append(psnr_y(upscale(imresize(high, height, width)), high))
    return float(np.mean(scores))
