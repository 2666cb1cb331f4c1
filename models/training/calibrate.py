"""Calibration: what int8 needs to know about the activations, measured on real pictures."""

from collections import defaultdict
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sr4k.models.architecture import SCALE, Architecture
from sr4k.models.execute import FoldedExecutor
from sr4k.models.fold import PAD_AFTER, PAD_BEFORE, Array, Weights, fold_rgb
from sr4k.models.pictures import picture_files, read_rgb
from sr4k.models.quantize import LEVELS, Calibration, equalise
from sr4k.models.resize import imresize

_FLAT_SIDE = 64
_FLAT_WEIGHT = 0.1
"""How much areas of pure colour count beside photographs when the tail is rounded."""

_DRAWN = 4000
"""Values, or windows, drawn from a picture at each point."""


def calibrate(arch: Architecture, weights: Weights, folders: list[Path], *, pictures: int = 64) -> Calibration:
    """Measure scales and moments on up to ``pictures`` random pictures of the folders, shrunk as in training.

    Areas of pure colour are rare in photographs and common in captions and cartoons: they are measured as well, and
    nothing that they need is clipped.
    """
    files = picture_files(folders)
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(files), min(pictures, len(files)), replace=False)
    photographs = [_padded(_shrunk(files[k])) for k in chosen]
    flats = [_padded(np.full((_FLAT_SIDE, _FLAT_SIDE, 3), colour, np.uint8)) for colour in product((0, 255), repeat=3)]
    network = fold_rgb(arch, weights)

    gain: Array = np.zeros(arch.features)

    def see_tail(name: str, x: Tensor) -> None:
        if name == "tail":
            np.maximum(gain, x.abs().amax((0, 2, 3)).double().numpy() / LEVELS, out=gain)

    _run_on(photographs + flats, FoldedExecutor(network, observe=see_tail))

    drawn: dict[str, list[Array]] = defaultdict(list)
    needed: dict[str, float] = defaultdict(float)
    moments: Array = np.zeros((25 * arch.features, 25 * arch.features))

    def see_photograph(name: str, x: Tensor) -> None:
        if name == "tail":
            windows = _draw(F.unfold(x, 5)[0], rng)
            moments[:] += windows @ windows.T / (windows.shape[1] * len(photographs))
        else:
            drawn[name].append(_draw(x.flatten()[None], rng)[0])

    def see_flat(name: str, x: Tensor) -> None:
        needed[name] = max(needed[name], float(x.abs().max()))
        if name == "tail":
            windows = F.unfold(x, 5)[0].double().numpy()
            moments[:] += _FLAT_WEIGHT * windows @ windows.T / (windows.shape[1] * len(flats))

    equalised = equalise(network, gain)
    _run_on(photographs, FoldedExecutor(equalised, observe=see_photograph))
    _run_on(flats, FoldedExecutor(equalised, observe=see_flat))
    names = [f"body.{k}" for k in range(arch.body_convs)]
    peaks = [max(best_clip(np.concatenate(drawn[name])), needed[name]) for name in names]
    return Calibration(gain, np.array(peaks), moments)


def best_clip(values: Array) -> float:
    """The magnitude to clip at so that rounding to 127 steps a side costs the least mean square error."""
    top = float(np.abs(values).max())
    candidates = np.linspace(0.2, 1.0, 41) * top

    def error(clip: float) -> float:
        step = clip / LEVELS
        return float(np.mean((np.clip(np.round(values / step), -LEVELS, LEVELS) * step - values) ** 2))

    return float(min(candidates, key=error))


def _run_on(samples: list[Tensor], run: FoldedExecutor) -> None:
    for sample in samples:
        run(sample)


def _draw(x: Tensor, rng: np.random.Generator) -> Array:
    """Some columns of (rows, columns), in float64."""
    columns = torch.from_numpy(rng.integers(0, x.shape[1], _DRAWN))
    drawn: Array = x[:, columns].double().numpy()
    return drawn


def _shrunk(path: Path) -> NDArray[np.uint8]:
    high = read_rgb(path)
    height, width = (side // (2 * SCALE) * 2 for side in high.shape[:2])
    return imresize(high[: height * SCALE, : width * SCALE], height, width)


def _padded(low: NDArray[np.uint8]) -> Tensor:
    x = torch.from_numpy(low.transpose(2, 0, 1).copy())[None].float()
    return F.pad(x, (PAD_BEFORE, PAD_AFTER, PAD_BEFORE, PAD_AFTER), mode="replicate")
