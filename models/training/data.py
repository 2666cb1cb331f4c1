"""Training data: pairs of high- and low-resolution windows, drawn where pictures are detailed."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.models.geometry import SCALE
from sr4k.models.quality.testset import shrunk_pairs
from sr4k.models.resize import imresize

_STRIDE = 16
"""Low-resolution pixels between window positions that are rated for detail."""

_FLATTEST, _STEEPEST = 0.6, 2.0
"""Limits of the factor that a relit window's levels are multiplied by."""


class Batch(NamedTuple):
    """Windows, float32 (N, channels, p, p) and (N, channels, 2 p, 2 p), 0..255: RGB, or full-range luma.

    ``quality``: their compression (`sr4k.models.training.quality_net`); 0: uncompressed. ``edges``: how many of the
    windows, the last ones, are drawn edges, beside which halos would show.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    quality: float = 0.0
    edges: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """One picture at both sizes, uint8 RGB (H, W, 3), and the positions of its windows to learn from."""

    high: NDArray[np.uint8]
    low: NDArray[np.uint8]
    windows: NDArray[np.intp]  # (n, 2): top, left in low-resolution pixels


def load_pairs(
    folders: list[Path],
    *,
    patch: int,
    keep: float,
    resized: Sequence[float] = (),
    softer: Sequence[float] = (),
) -> list[Pair]:
    """Read every picture, downscale it by MATLAB's bicubic, and keep the most detailed share of all windows.

    One line of the log says how many pictures are left out because no window fits into them.

    Args:
        folders: folders of pictures, searched recursively.
        patch: side of a low-resolution window in pixels.
        keep: share (0..1] of the windows kept, most detailed first, ranked over all pictures together.
        resized: factors by which each picture is resized for additional pictures.
        softer: standard deviations in pixels of Gaussians that blur each picture for additional pictures.

    Raises:
        InputError: there are no pictures, one can't be read, or all are too small for a window.
    """
    pairs, rated = [], []
    for high, low in _with_variants(folders, _least_side(patch, resized), resized, softer):
        if min(low.shape[:2]) >= patch:
            pairs.append((high, low))
            rated.append(_rate_windows(low, patch))
    threshold = np.quantile(np.concatenate([scores for _, scores in rated]), 1 - keep)
    return [
        Pair(high, low, positions[scores >= threshold])
        for (high, low), (positions, scores) in zip(pairs, rated, strict=True)
        if (scores >= threshold).any()
    ]


def _least_side(patch: int, resized: Sequence[float]) -> int:
    """Return the least side of pictures that hold a window, as they are or resized."""
    largest = max((1.0, *resized))
    return next(side for side in itertools.count(SCALE, SCALE) if _low_side(largest * side) >= patch)


def _low_side(side: float) -> int:
    return int(side) // SCALE


def _with_variants(
    folders: list[Path], least: int, resized: Sequence[float], softer: Sequence[float]
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    for _, high, low in shrunk_pairs(folders, least=least):
        yield high, low
        for factor in resized:
            height, width = (max(_low_side(factor * side), 1) for side in high.shape[:2])
            other = _resized(high, SCALE * height, SCALE * width)
            yield other, imresize(other, height, width)
        for deviation in softer:
            blurred = np.asarray(cv2.GaussianBlur(high, (0, 0), deviation), np.uint8)
            yield blurred, imresize(blurred, *low.shape[:2])


def _resized(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Downscale by area averaging, or enlarge by a bicubic."""
    way = cv2.INTER_AREA if height < len(picture) else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=way), np.uint8)


def _rate_windows(low: NDArray[np.uint8], patch: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return window positions (n, 2) and their detail (n,): the mean square of the Laplacian of luma."""
    gray = cv2.cvtColor(low, cv2.COLOR_RGB2GRAY)
    energy = cv2.integral(np.square(cv2.Laplacian(gray, cv2.CV_64F)))
    tops = np.arange(0, low.shape[0] - patch + 1, _STRIDE)
    lefts = np.arange(0, low.shape[1] - patch + 1, _STRIDE)
    top, left = (grid.ravel() for grid in np.meshgrid(tops, lefts, indexing="ij"))
    total = (
        energy[top + patch, left + patch] - energy[top, left + patch] - energy[top + patch, left] + energy[top, left]
    )
    return np.stack([top, left], axis=1), np.asarray(total / patch**2, np.float64)


def batches(pairs: list[Pair], *, patch: int, batch: int, seed: int, start: int, relit: float = 0.0) -> Iterator[Batch]:
    """Yield endless random batches of RGB windows, from batch ``start`` on.

    Windows are rotated and mirrored, and a share ``relit`` of them has other levels. Of the same pairs, batch number k
    depends on ``seed`` and k alone, so a run resumed at ``start`` gets the same batches as an uninterrupted one.
    """
    share = np.array([len(pair.windows) for pair in pairs], np.float64)
    share /= share.sum()
    step = start
    while True:
        rng = np.random.default_rng((seed, step))
        lows: list[NDArray[np.float32]] = []
        highs: list[NDArray[np.float32]] = []
        for index in rng.choice(len(pairs), batch, p=share):
            both = turned(*_window(pairs[index], patch, rng), rng)
            low, high = (x.transpose(2, 0, 1).astype(np.float32) for x in both)
            if rng.random() < relit:
                low, high = _relit(low, high, rng)
            lows.append(low)
            highs.append(high)
        yield Batch(np.stack(lows), np.stack(highs))
        step += 1


def _window(pair: Pair, patch: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    y, x = pair.windows[rng.integers(len(pair.windows))]
    limit = np.array(pair.low.shape[:2]) - patch
    y, x = np.minimum(np.add((y, x), rng.integers(0, _STRIDE, 2)), limit)
    high = pair.high[SCALE * y : SCALE * (y + patch), SCALE * x : SCALE * (x + patch)]
    return pair.low[y : y + patch, x : x + patch], high


def turned(
    low: NDArray[np.uint8], high: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a window in one of its eight orientations, drawn at random."""
    quarter_turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    low, high = (np.rot90(x, quarter_turns) for x in (low, high))
    return (low[:, ::-1], high[:, ::-1]) if mirrored else (low, high)


def _relit(
    low: NDArray[np.float32], high: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Stretch or compress levels by a factor and an offset that keep them in 0..255; invert every other window.

    The low resolution is a linear function of the high one, so the same change applies to both.
    """
    darkest = float(high.min())
    span = float(high.max()) - darkest
    widest = min(_STEEPEST, 255 / max(span, 1.0))
    factor = rng.uniform(_FLATTEST, max(widest, 1.0))
    offset = rng.uniform(0, 255 - min(factor * span, 255.0))
    low, high = ((x - darkest) * factor + offset for x in (low, high))
    return (255 - low, 255 - high) if rng.integers(2) else (low, high)
