"""Batches for a network that looks crisp: sharpened ground truth, drawn edges, and noise that it is to leave alone.

The target is the ground truth with more detail, but never beyond the range of the ground truth nearby, so that edges
become steeper and get no halos. On drawn edges the target is the ground truth itself.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.models.training.data import Batch
from sr4k.models.training.edges import drawn_edges
from sr4k.models.training.patch_cache import Cache, as_full_range, batches_of
from sr4k.models.training.recipe import Crisp
from sr4k.models.training.train import NEARBY, Source

_POOL = 3000
"""Number of windows that are drawn."""

CLEAN = (0.0, 10.0)
"""Range of the qualities that are taken for those of uncompressed sources."""

LEVEL = 255 / 219
"""One 8-bit level of limited range, in full range."""


def crisper(truth: NDArray[np.float32], settings: Crisp) -> NDArray[np.float32]:
    """Return windows (n, 1, h, w) with more detail, within the range of the ground truth nearby."""
    made = np.empty_like(truth)
    around = np.ones((NEARBY, NEARBY), np.uint8)
    for window, (plane,) in zip(made, truth, strict=True):
        detail = plane - cv2.GaussianBlur(plane, (0, 0), settings.blur)
        window[0] = np.clip(plane + settings.strength * detail, cv2.erode(plane, around), cv2.dilate(plane, around))
    return made


def crisp_source(
    cache: Cache,
    settings: Crisp,
    *,
    batch: int,
    unsure: float,
    seed: int,
    clean: float,
    within: tuple[float, float] = (0.0, float("inf")),
) -> Source:
    """Return a source of batches of a crisp look.

    Args:
        cache: patches of clips to draw from.
        settings: how.
        batch: windows per batch.
        unsure: as for `batches_of`, as ``seed`` and ``within`` are.
        seed: of the random numbers.
        clean: share of the batches that are of uncompressed sources.
        within: range of the qualities of the others.
    """
    low_edges, high_edges = drawn_edges(_POOL, cache.shards[0].low.shape[-1], seed)
    every, edges = round(1 / clean) if clean else 0, round(settings.edges * batch)

    def source(start: int) -> Iterator[Batch]:
        usual = batches_of(cache, batch=batch, unsure=unsure, seed=seed, start=start, within=within)
        first = -(-start // every) if every else 0
        cleaner = batches_of(cache, batch=batch, unsure=0.0, seed=seed, start=first, within=CLEAN)
        for step in itertools.count(start):
            rng = np.random.default_rng((seed, step, 1))
            other = next(usual)
            is_clean = every > 0 and step % every == 0
            found = next(cleaner)._replace(quality=0.0) if is_clean else other
            chosen = rng.integers(0, _POOL, edges)
            low = np.concatenate([found.low[: batch - edges], as_full_range(low_edges[chosen])])
            high = np.concatenate([crisper(found.high[: batch - edges], settings), as_full_range(high_edges[chosen])])
            low = _noisy(low, settings.noise if is_clean else settings.unrest, rng)
            yield found._replace(low=low, high=high, edges=edges)

    return source


def _noisy(low: NDArray[np.float32], most: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Add white noise in whole levels of 8 bits; a third of the windows get none."""
    deviation = np.clip(rng.uniform(-most / 2, most, (len(low), 1, 1, 1)), 0, None)
    noise = np.rint(rng.normal(0, 1, low.shape) * deviation / LEVEL) * LEVEL
    return (low + noise).astype(np.float32)
