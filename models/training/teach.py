"""Distillation: mix the output of larger networks, or of several, into the ground truth.

A teacher's output lacks the noise of real pictures, which a small network can't predict and would waste its steps on.
The teacher's output is averaged over all eight orientations of each picture: the self-ensemble of Lim
et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", arXiv 1707.02921.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sr4k.models.execute import FoldedExecutor, padded, upscale
from sr4k.models.folded_network import FoldedNetwork
from sr4k.models.training.data import Pair
from sr4k.models.training.patch_cache import Cache, as_full_range, as_limited_range, quality_of, read_cache, write_shard
from sr4k.models.training.quality_net import NetAt, QualityNet
from sr4k.models.training.symmetry import TURNS

log = logging.getLogger(__name__)

_TOGETHER = 32
"""Patches upscaled at once, all of similar quality."""


def taught(pairs: Iterable[Pair], teachers: Sequence[FoldedNetwork], share: float) -> Iterator[Pair]:
    """Yield the pairs with a mixture as high resolution: ``share`` of the teachers' mean, the rest of the ground truth.

    Args:
        pairs: pairs to change.
        teachers: networks folded for RGB, in float.
        share: share of the teachers, 0..1.
    """
    runs = [FoldedExecutor(teacher) for teacher in teachers]
    for pair in pairs:
        low = torch.from_numpy(pair.low).permute(2, 0, 1).float()
        made = torch.stack([turn.back(_upscaled(run, turn.of(low))) for run in runs for turn in TURNS]).mean(0)
        mixed = share * made.permute(1, 2, 0).numpy() + (1 - share) * pair.high
        yield replace(pair, high=np.clip(np.rint(mixed), 0, 255).astype(np.uint8))


@torch.no_grad()
def taught_cache(cache: Cache, teachers: Sequence[QualityNet], share: float, out: Path) -> Cache:
    """Mix teachers into patches of clips, as `taught` does, and write them to ``out``; existing shards are kept.

    Each teacher is used at the quality of the patch.

    Raises:
        OutputError: a file can't be written.
    """
    done = len(read_cache(out).shards)
    for version, patches in enumerate(cache.shards[done:], start=done):
        high = np.empty_like(patches.high)
        order = np.argsort(quality_of(patches.facts), kind="stable")
        for chosen in np.array_split(order, max(len(order) // _TOGETHER, 1)):
            quality = float(quality_of(patches.facts[chosen]).mean())
            low = as_full_range(patches.low[chosen])
            made = torch.stack([_mean_of_turns(teacher.at(quality), torch.from_numpy(low)) for teacher in teachers])
            mixed = share * as_limited_range(made.mean(0).numpy()) + (1 - share) * patches.high[chosen]
            high[chosen] = np.clip(np.rint(mixed), 0, 255)
        write_shard(out, version, replace(patches, high=high))
        log.info("taught: %d of %d rounds", version + 1, len(cache.shards))
    return Cache(read_cache(out).shards[: len(cache.shards)])


def _mean_of_turns(net: NetAt, low: Tensor) -> Tensor:
    """Upscale (N, 1, H, H) to (N, 1, 2H, 2H), averaged over all orientations."""
    return torch.stack([turn.back(upscale(net, turn.of(low))) for turn in TURNS]).mean(0)


def _upscaled(run: FoldedExecutor, low: Tensor) -> Tensor:
    """Upscale (3, H, W) to (3, 2H, 2W)."""
    height, width = low.shape[1:]
    return run.picture(padded(low[None]))[0, :, : 2 * height, : 2 * width]
