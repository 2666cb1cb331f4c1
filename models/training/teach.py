"""Distillation: a part of what is learned from is what larger networks, or several, make of the low resolution.

Its pictures lack the noise of real ones, which a small network can't predict and would spend its steps on. The teacher
sees each picture turned and mirrored in all eight ways, and the mean of what it makes is taken: the self-ensemble of
Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", arXiv 1707.02921.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sr4k.models.execute import FoldedExecutor, padded
from sr4k.models.graph import FoldedNetwork
from sr4k.models.training.data import Pair
from sr4k.models.training.symmetry import TURNS


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


def _upscaled(run: FoldedExecutor, low: Tensor) -> Tensor:
    """(3, H, W) to (3, 2H, 2W)."""
    height, width = low.shape[1:]
    return run.picture(padded(low[None]))[0, :, : 2 * height, : 2 * width]
