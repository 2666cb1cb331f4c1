"""Distillation: a part of what is learned from is what larger networks, or several, make of the low resolution.

Its pictures lack the noise of real ones, which a small network can't predict and would spend its steps on. The teacher
sees each picture turned and mirrored in all eight ways, and the mean of what it makes is taken: the self-ensemble of
Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", arXiv 1707.02921.
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
"""Patches that are upscaled at once, all of about one quality."""


def taught(pairs: Iterable[Pair], teachers: Sequence[FoldedNetwork], share: float) -> Iterator[Pair]:
    """The pairs, with ``share`` of the teachers' mean picture and the rest of the real one as the high resolution.

    Args:
        teachers: folded for RGB, in float.
        share: 0..1.
    """
    runs = [FoldedExecutor(teacher) for teacher in teachers]
    for pair in pairs:
        low = torch.from_numpy(pair.low).permute(2, 0, 1).float()
        made = torch.stack([turn.back(_upscaled(run, turn.of(low))) for run in runs for turn in TURNS]).mean(0)
        mixed = share * made.permute(1, 2, 0).numpy() + (1 - share) * pair.high
        yield replace(pair, high=np.clip(np.rint(mixed), 0, 255).astype(np.uint8))


@torch.no_grad()
def taught_cache(cache: Cache, teachers: Sequence[QualityNet], share: float, out: Path) -> Cache:
    """The same for patches of clips, written to ``out``; what is there of an earlier run stays.

    Each teacher is what it is at the quality of the patch.

    Raises:
        OutputError: it can't be written.
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
    """(N, 1, H, H) to (N, 1, 2H, 2H)."""
    return torch.stack([turn.back(upscale(net, turn.of(low))) for turn in TURNS]).mean(0)


def _upscaled(run: FoldedExecutor, low: Tensor) -> Tensor:
    """(3, H, W) to (3, 2H, 2W)."""
    height, width = low.shape[1:]
    return run.picture(padded(low[None]))[0, :, : 2 * height, : 2 * width]
