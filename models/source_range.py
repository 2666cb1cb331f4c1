"""The range of luma around each cell, which a crisp picture is kept within, for engines that are given it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.models.geometry import AROUND, CELL


def write_range(plane: NDArray[Any], least: NDArray[Any], highest: NDArray[Any]) -> None:
    """Write the range of the pixels around each cell (`sr4k.models.geometry.AROUND`).

    Args:
        plane: padded luma (H + 21, W + 21).
        least, highest: (H/2 + 10, W/2 + 10), of the same dtype; right but for the outer cells of the margin.
    """
    around = np.ones((AROUND // CELL, AROUND // CELL), np.uint8)
    for either, widened, bound in ((np.minimum, cv2.erode, least), (np.maximum, cv2.dilate, highest)):
        rows = either(plane[1::2], plane[2::2])
        bound[...] = widened(either(rows[:, 1::2], rows[:, 2::2]), around)
