"""Distillation: a part of what is learned from is what a larger network makes of the low resolution.

Its pictures lack the noise of real ones, which a small network can't predict and would spend its steps on. The teacher
sees each picture turned and mirrored in all eight ways, and the mean of what it makes is taken: the self-ensemble of
Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", arXiv 1707.02921.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sr4k.models.execute import FoldedExecutor, padded
from sr4k.models.graph import FoldedNetwork
from sr4k.models.training.data import Pair


@dataclass(frozen=True, slots=True)
class _Turn:
    """A symmetry of the square, on pictures (H, W, C)."""

    quarters: int
    mirrored: bool

    def of(self, picture: NDArray[Any]) -> NDArray[Any]:
        turned = np.rot90(picture, self.quarters)
        return turned[:, ::-1] if self.mirrored else turned

    def back(self, picture: NDArray[Any]) -> NDArray[Any]:
        return np.rot90(picture[:, ::-1] if self.mirrored else picture, -self.quarters)


_TURNS = [_Turn(quarters, mirrored) for quarters in range(4) for mirrored in (False, True)]


def taught(pairs: Iterable[Pair], teacher: FoldedNetwork, share: float) -> Iterator[Pair]:
    """The pairs, with ``share`` of the teacher's picture and the rest of the real one as the high resolution.

    Args:
        teacher: folded for RGB, in float.
        share: 0..1.
    """
    run = FoldedExecutor(teacher)
    for pair in pairs:
        made = np.mean([turn.back(_upscaled(run, turn.of(pair.low))) for turn in _TURNS], axis=0)
        mixed = share * made + (1 - share) * pair.high
        yield replace(pair, high=np.clip(np.rint(mixed), 0, 255).astype(np.uint8))


def _upscaled(run: FoldedExecutor, low: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = low.shape[:2]
    x = torch.from_numpy(low.copy()).permute(2, 0, 1)[None].float()
    made: NDArray[np.float32] = run.picture(padded(x))[0, :, : 2 * height, : 2 * width].permute(1, 2, 0).numpy()
    return made
