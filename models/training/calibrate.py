"""Calibration: what int8 needs to know about the activations, measured on real pictures."""

from collections import defaultdict
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sr4k.models.execute import FoldedExecutor
from sr4k.models.fold import PAD_AFTER, PAD_BEFORE, STREAM
from sr4k.models.graph import Array, FoldedNetwork
from sr4k.models.quantize import FED_BACK, LEVELS, Calibration, equalise
from sr4k.models.testset import shrunk_pairs

_FLAT_SIDE = 64
_FLAT_WEIGHT = 0.1
"""How much areas of pure colour count beside photographs when the tail is rounded."""

_DRAWN = 2000
"""Positions drawn from a picture at each point."""

_LEAST = 1e-6
"""Gain of a channel that is never more than zero."""


def calibrate(network: FoldedNetwork, folders: list[Path], *, pictures: int = 64) -> Calibration:
    """Measure scales and moments on up to ``pictures`` random pictures of the folders, shrunk as in training.

    Areas of pure colour are rare in photographs and common in captions and cartoons: they are measured as well, and
    nothing that they need is clipped.

    Args:
        network: folded for RGB, in float.
    """
    low = [low for _, _, low in shrunk_pairs(folders, multiple=4)]
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(low), min(pictures, len(low)), replace=False)
    photographs = [_padded(low[k]) for k in chosen]
    flats = [_padded(np.full((_FLAT_SIDE, _FLAT_SIDE, 3), colour, np.uint8)) for colour in product((0, 255), repeat=3)]

    gains = _gains(network, photographs, flats, rng)
    equalised = equalise(network, gains)
    drawn, needed = _seen(equalised, photographs, flats, rng)
    fed_back = STREAM in gains
    peaks = {
        name: float(LEVELS)
        if network.convs[name].reads != STREAM or name == FED_BACK
        else max(best_clip(drawn[name].ravel()), float(needed[name].max()))
        for name in network.quantised
    }
    moments = _moments(equalised, photographs, flats, rng) if fed_back else None
    return Calibration(gains, peaks, moments)


def _gains(
    network: FoldedNetwork, photographs: list[Tensor], flats: list[Tensor], rng: np.random.Generator
) -> dict[str, Array]:
    """A step of each channel of each basis: where one convolution reads it, the best for rounding and clipping.

    The stream carries the picture, and must not clip where the tail reads it.
    """
    drawn, needed = _seen(network, photographs, flats, rng)
    gains: dict[str, Array] = {}
    for name in network.quantised:
        basis = network.convs[name].reads
        assert basis is not None
        if basis != STREAM:
            clips = np.array([best_clip(channel) for channel in drawn[name]])
            gains[basis] = np.maximum(np.maximum(clips, needed[name]) / LEVELS, _LEAST)
        elif name == FED_BACK:
            gains[basis] = np.maximum(_peaks(network, name, photographs + flats) / LEVELS, _LEAST)
    return gains


def _seen(
    network: FoldedNetwork, photographs: list[Tensor], flats: list[Tensor], rng: np.random.Generator
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Of every int8 convolution's input: values (C, n) drawn from photographs, and peaks (C,) on pure colours."""
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


def _peaks(network: FoldedNetwork, at: str, samples: list[Tensor]) -> Array:
    """Largest magnitude (C,) at the input of one convolution."""
    peaks: list[Array] = []

    def see(name: str, x: Tensor) -> None:
        if name == at:
            peaks.append(x.abs().amax((0, 2, 3)).double().numpy())

    _run_on(samples, FoldedExecutor(network, observe=see))
    return np.asarray(np.max(peaks, axis=0))


def _moments(network: FoldedNetwork, photographs: list[Tensor], flats: list[Tensor], rng: np.random.Generator) -> Array:
    """Second moments of the windows that the tail reads, over photographs and, with less weight, pure colours."""
    kernel = network.convs[FED_BACK].kernel
    taps = kernel[0].size
    moments: Array = np.zeros((taps, taps))

    def see(weight: float, name: str, x: Tensor) -> None:
        if name == FED_BACK:
            windows = F.unfold(x, kernel.shape[-1])[0]
            columns = torch.from_numpy(rng.integers(0, windows.shape[1], 2 * _DRAWN))
            drawn = windows[:, columns].double().numpy()
            moments[:] += weight * (drawn @ drawn.T) / drawn.shape[1]

    for samples, weight in ((photographs, 1.0), (flats, _FLAT_WEIGHT)):
        _run_on(samples, FoldedExecutor(network, observe=partial(see, weight / len(samples))))
    return moments


def best_clip(values: Array) -> float:
    """The magnitude to clip at so that rounding to 127 steps a side costs the least mean square error."""
    top = float(np.abs(values).max())
    candidates = np.linspace(0.2, 1.0, 41) * top

    def error(clip: float) -> float:
        step = clip / LEVELS
        return float(np.mean((np.clip(np.round(values / step), -LEVELS, LEVELS) * step - values) ** 2))

    return float(min(candidates, key=error)) if top > 0 else 0.0


def _run_on(samples: list[Tensor], run: FoldedExecutor) -> None:
    for sample in samples:
        run(sample)


def _padded(low: NDArray[np.uint8]) -> Tensor:
    x = torch.from_numpy(low.transpose(2, 0, 1).copy())[None].float()
    return F.pad(x, (PAD_BEFORE, PAD_AFTER, PAD_BEFORE, PAD_AFTER), mode="replicate")
