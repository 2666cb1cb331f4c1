"""What all patches of clips have to be."""

import cv2
import numpy as np

from sr4k.models.training.clips import Patches


def assert_in_register(patches: Patches) -> None:
    """Both sizes show the same: shifted by a pixel, they differ more."""
    for low, high in zip(patches.low, patches.high, strict=True):
        shrunk = cv2.resize(high, (32, 32), interpolation=cv2.INTER_AREA).astype(int)
        errors = {
            shift: np.abs(np.roll(shrunk, shift, axis=(0, 1)) - low)[2:-2, 2:-2].mean()
            for shift in ((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1))
        }
        assert min(errors, key=errors.__getitem__) == (0, 0)
