"""Calibration for int8: measure the range of activations on real pictures."""

from collections import defaultdict
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sr4k.models.execute import FoldedExecutor, padded
from sr4k.models.folded_network import Array, FoldedNetwork
from sr4k.models.quality.testset import shrunk_pairs
from sr4k.models.quantize import LEVELS, OFFSET, Calibration, equalise

_FLAT_SIDE = 64
_DRAWN = 2000
"""Positions sampled per picture at the input of each convolution."""

_LEAST = 1e-6
"""Smallest gain, for channels that are always zero."""


def calibrate(network: FoldedNetwork, folders: list[Path], *, pictures: int = 64) -> Calibration:
    """Measure scales on up to ``pictures`` random pictures of the folders, downscaled as in training.

    Areas of pure colour, rare in photographs and common in captions and cartoons, are measured as well, and are never
    clipped.

    Args:
        network: network folded for RGB, in float.
        folders: folders of pictures, searched recursively.
        pictures: maximum number of pictures.

    Raises:
        InputError: there are no pictures, or one can't be read.
    """
    low = [low for _, _, low in shrunk_pairs(folders, multiple=4)]
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(low), min(pictures, len(low)), replace=False)
    photographs = [_padded(low[k]) for k in chosen]
    flats = [_padded(np.full((_FLAT_SIDE, _FLAT_SIDE, 3), colour, np.uint8)) for colour in product((0, 255), repeat=3)]

    gains = _gains(network, *_seen(network, photographs, flats, rng))
    drawn, needed = _seen(equalise(network, gains), photographs, flats, rng)
    peaks = {
        name: max(best_clip(drawn[name].ravel()), float(needed[name].max())) if len(readers) > 1 else float(LEVELS)
        for readers in _readers(network).values()
        for name in readers
    }
    return Calibration(gains, peaks, {name: values.mean(axis=1, dtype=np.float64) for name, values in drawn.items()})


def _gains(network: FoldedNetwork, drawn: dict[str, Array], needed: dict[str, Array]) -> dict[str, Array]:
    """Return the step size of each channel of each basis: the geometric mean, over the convolutions that read it,
    of the step that minimises the error of rounding and clipping together.
    """
    gains = {}
    for basis, names in _readers(network).items():
        levels = LEVELS + OFFSET if basis in network.rectified else LEVELS
        clips = [np.maximum([best_clip(channel, levels) for channel in drawn[name]], needed[name]) for name in names]
        gains[basis] = np.exp(np.mean(np.log(np.maximum(clips, levels * _LEAST)), axis=0)) / levels
    return gains


def _readers(network: FoldedNetwork) -> dict[str, list[str]]:
    """Return the int8 convolutions that read each basis, in execution order."""
    readers: dict[str, list[str]] = defaultdict(list)
    for name in network.quantised:
        basis = network.convs[name].reads
        assert basis is not None
        readers[basis].append(name)
    return readers


def _seen(
    network: FoldedNetwork, photographs: list[Tensor], flats: list[Tensor], rng: np.random.Generator
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return, by int8 convolution, values of its input (C, n) on photographs and its peaks (C,) on pure colours."""
    drawn: dict[str, list[Array]] = defaultdict(list)
    needed: dict[str, Array] = {name: np.zeros(1) for name in network.quantised}

    def see_photograph(name: str, x: Tensor) -> None:
        columns = torch.from_numpy(rng.integers(0, x.shape[2] * x.shape[3], _DRAWN))
        drawn[name].append(x[0].flatten(1)[:, columns].numpy())

    def see_flat(name: str, x: Tensor) -> None:
        needed[name] = np.maximum(needed[name], x.abs().amax((0, 2, 3)).numpy())

    _run_on(photographs, FoldedExecutor(network, observe=see_photograph))
    _run_on(flats, FoldedExecutor(network, observe=see_flat))
    return {name: np.concatenate(parts, axis=1) for name, parts in drawn.items()}, needed


def best_clip(values: Array, levels: int = LEVELS) -> float:
    """Return the magnitude to clip at that minimises the mean square error of rounding to ``levels`` steps per sign."""
    top = float(np.abs(values).max())
    candidates = np.linspace(0.2, 1.0, 41) * top

    def error(clip: float) -> float:
        step = clip / levels
        return float(np.mean((np.clip(np.round(values / step), -levels, levels) * step - values) ** 2))

    return float(min(candidates, key=error)) if top > 0 else 0.0


def _run_on(samples: list[Tensor], run: FoldedExecutor) -> None:
    for sample in samples:
        run(sample)


def _padded(low: NDArray[np.uint8]) -> Tensor:
    return padded(torch.from_numpy(low.transpose(2, 0, 1).copy())[None].float())
