"""Calibration: what int8 needs to know about the activations, measured on real pictures."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sr4k.models.architecture import SCALE, Architecture
from sr4k.models.execute import FoldedExecutor
from sr4k.models.fold import PAD_AFTER, PAD_BEFORE, Array, Weights, fold_rgb
from sr4k.models.pictures import picture_files, read_rgb
from sr4k.models.quantize import LEVELS, Calibration, equalise
from sr4k.models.resize import imresize

_WINDOWS = 4000
"""Windows of the tail's input drawn from a picture for the second moments."""


def calibrate(arch: Architecture, weights: Weights, folders: list[Path], *, pictures: int = 64) -> Calibration:
    """Measure scales and moments on up to ``pictures`` random pictures of the folders, shrunk as in training."""
    files = picture_files(folders)
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(files), min(pictures, len(files)), replace=False)
    samples = [_padded(files[k]) for k in chosen]
    network = fold_rgb(arch, weights)

    gain = np.zeros(arch.features)

    def see_range(name: str, x: Tensor) -> None:
        if name == "tail":
            np.maximum(gain, x.abs().amax((0, 2, 3)).double().numpy() / LEVELS, out=gain)

    run = FoldedExecutor(network, observe=see_range)
    for sample in samples:
        run(sample)

    peaks = np.zeros(arch.body_convs)
    moments: Array = np.zeros((25 * arch.features, 25 * arch.features))

    def see_scales(name: str, x: Tensor) -> None:
        if name == "tail":
            windows = F.unfold(x, 5)[0]
            drawn = windows[:, torch.from_numpy(rng.integers(0, windows.shape[1], _WINDOWS))].double().numpy()
            moments[:] += drawn @ drawn.T / (_WINDOWS * len(samples))
        else:
            k = int(name.removeprefix("body."))
            peaks[k] = max(peaks[k], float(x.abs().max()))

    run = FoldedExecutor(equalise(network, gain), observe=see_scales)
    for sample in samples:
        run(sample)
    return Calibration(gain, peaks, moments)


def _padded(path: Path) -> Tensor:
    high = read_rgb(path)
    height, width = (side // (2 * SCALE) * 2 for side in high.shape[:2])
    low = imresize(high[: height * SCALE, : width * SCALE], height, width)
    x = torch.from_numpy(low.transpose(2, 0, 1).copy())[None].float()
    return F.pad(x, (PAD_BEFORE, PAD_AFTER, PAD_BEFORE, PAD_AFTER), mode="replicate")
