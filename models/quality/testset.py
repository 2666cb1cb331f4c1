"""Folders of test pictures: pairs of high and low resolution, read from files or made by downscaling."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr4k.errors import InputError
from sr4k.models.geometry import SCALE
from sr4k.models.quality.image_files import picture_files, read_rgb
from sr4k.models.resize import imresize


@dataclass(frozen=True, slots=True)
class PicturePair:
    """A test picture, uint8 RGB: ``high`` (scale H, scale W, 3) and ``low`` (H, W, 3)."""

    name: str
    high: NDArray[np.uint8]
    low: NDArray[np.uint8]


def pictures_of(folder: Path, *, scale: int = SCALE) -> Iterator[PicturePair]:
    """Yield the test pictures of a folder.

    In DIV2K's layout, ``*_HR/0801.png`` and ``*_LR_bicubic/X2/0801x2.png``, both resolutions are read. The pictures of
    any other folder are of high resolution: they are cropped to a multiple of the scale and downscaled by MATLAB's
    bicubic.

    Raises:
        InputError: there are no pictures, one can't be read, or one of low resolution is missing or of a wrong size.
    """
    high_folders = [path for path in sorted(folder.glob("*_HR")) if path.is_dir()]
    if not high_folders:
        yield from (PicturePair(path.stem, high, low) for path, high, low in shrunk_pairs([folder], scale=scale))
        return
    for high_folder in high_folders:
        low_folder = folder / high_folder.name.replace("_HR", "_LR_bicubic") / f"X{scale}"
        for path in picture_files([high_folder]):
            low = read_rgb(low_folder / f"{path.stem}x{scale}{path.suffix}")
            high = read_rgb(path)[: scale * low.shape[0], : scale * low.shape[1]]
            if high.shape != (scale * low.shape[0], scale * low.shape[1], 3):
                raise InputError(f"{path} isn't {scale} times as large as its picture in {low_folder}.")
            yield PicturePair(path.stem, high, low)


def shrunk_pairs(
    folders: list[Path], *, scale: int = SCALE, multiple: int | None = None
) -> Iterator[tuple[Path, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield path, high and low resolution, uint8 RGB, of each picture, downscaled by MATLAB's bicubic.

    Args:
        folders: searched recursively.
        scale: factor from low to high resolution.
        multiple: the sides are cropped to multiples of this many pixels; of the scale if ``None``.

    Raises:
        InputError: there are no pictures, or one can't be read.
    """
    multiple = multiple or scale
    for path in picture_files(folders):
        high = read_rgb(path)
        height, width = (side // multiple * multiple for side in high.shape[:2])
        high = high[:height, :width]
        yield path, high, imresize(high, height // scale, width // scale)
