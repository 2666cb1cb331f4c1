"""Contact sheets: crops of several versions of a picture side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.common.whole_file import write_whole
from sr4k.errors import OutputError

_SIDE, _ZOOM = 96, 3
_LABEL = 24
"""Height of the caption above a crop, in pixels."""


class ContactSheet:
    """A sheet with one row per picture: a detailed window in each version, enlarged x3 by pixel replication.

    Only the rows are kept, not the pictures.

    Args:
        apart: show a different place in each row where the pictures are large enough; for frames of one video.
    """

    def __init__(self, *, apart: bool = False) -> None:
        self._apart = apart
        self._places: list[tuple[int, int]] = []
        self._rows: list[NDArray[np.uint8]] = []

    def add(self, name: str, versions: dict[str, NDArray[np.uint8]]) -> None:
        """Add a row: versions by label, uint8 RGB (H, W, 3) of one size; the last is the ground truth."""
        top, left = _most_detailed(list(versions.values())[-1], self._places if self._apart else [])
        self._places.append((top, left))
        self._rows.append(_row(name, versions, top, left))

    def write(self, target: Path) -> None:
        """Write the picture file, of the kind that its suffix names. It is whole, or what it was before.

        Raises:
            OutputError: the file can't be written, its folder does not exist, or no picture has this suffix and size.
        """
        sheet = np.concatenate(self._rows)
        try:
            is_made, picture = cv2.imencode(target.suffix, sheet[..., ::-1])
        except cv2.error:
            is_made = False
        if not is_made or not target.absolute().parent.is_dir():
            raise OutputError(
                f"{target} can't be written as a picture: does its folder exist, and is it a .png, .jpg, .tif or .webp?"
            )
        write_whole(target, picture.tobytes())


def _row(name: str, versions: dict[str, NDArray[np.uint8]], top: int, left: int) -> NDArray[np.uint8]:
    tiles = []
    for label, picture in versions.items():
        crop = picture[top : top + _SIDE, left : left + _SIDE]
        tile = np.full((_LABEL + _SIDE * _ZOOM, _SIDE * _ZOOM, 3), 255, np.uint8)
        enlarged = crop.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1)
        tile[_LABEL : _LABEL + len(enlarged), : enlarged.shape[1]] = enlarged
        cv2.putText(tile, f"{name}: {label}", (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        tiles.append(tile)
    return np.concatenate(tiles, axis=1)


def _most_detailed(picture: NDArray[np.uint8], others: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return top and left of the window with the most Laplacian energy, apart from ``others`` if there is room."""
    height, width = (max(1, side - _SIDE) for side in picture.shape[:2])
    energy = np.square(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_32F))
    means = cv2.boxFilter(energy, -1, (_SIDE, _SIDE), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    means = means[:height, :width]
    free = np.ones(means.shape, bool)
    for above, before in others:
        free[max(0, above - _SIDE + 1) : above + _SIDE, max(0, before - _SIDE + 1) : before + _SIDE] = False
    if free.any():
        means = np.where(free, means, -1)
    top, left = np.unravel_index(int(np.argmax(means)), means.shape)
    return int(top), int(left)
