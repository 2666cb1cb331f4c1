"""Folders of test pictures: pairs of high and low resolution, read from files or made by downscaling."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr4k.errors import InputError, OptionError
from sr4k.models.geometry import SCALE
from sr4k.models.quality import Protocol
from sr4k.models.quality.image_files import picture_files, read_rgb, tell_left_out
from sr4k.models.quality.metrics import WINDOW
from sr4k.models.resize import imresize


@dataclass(frozen=True, slots=True)
class PicturePair:
    """A test picture, uint8 RGB: ``high`` (scale H, scale W, 3) and ``low`` (H, W, 3)."""

    name: str
    high: NDArray[np.uint8]
    low: NDArray[np.uint8]


def titles_of(folders: Sequence[Path]) -> dict[str, Path]:
    """Return folders by their names, with as many of the folders above as tell those of one name apart.

    Raises:
        OptionError: a folder is given twice.
    """
    paths = [Path(os.path.abspath(folder)) for folder in folders]  # noqa: PTH100 - links keep their own names
    for number, path in enumerate(paths):
        if path in paths[:number]:
            raise OptionError(f"The folder {folders[number]} is given twice.")
    endings = [[str(Path(*path.parts[-k:])) for k in range(1, len(path.parts) + 1)] for path in paths]
    shared = Counter(ending for of_one in endings for ending in of_one)
    titles = (next(ending for ending in of_one if shared[ending] == 1) for of_one in endings)
    return dict(zip(titles, folders, strict=True))


def pictures_of(folder: Path, *, scale: int = SCALE, protocol: Protocol = "usual") -> Iterator[PicturePair]:
    """Yield the test pictures of a folder, at least as large as the protocol needs them.

    In DIV2K's layout, ``*_HR/0801.png`` and ``*_LR_bicubic/X2/0801x2.png``, both resolutions are read. The pictures of
    any other folder are of high resolution: they are cropped to a multiple of the scale and downscaled by MATLAB's
    bicubic.

    Raises:
        InputError: there are no pictures, one can't be read or is too small, or one of low resolution is missing or of
            a wrong size.
    """
    for path, high, low in _read(folder, scale, protocol):
        pair = _shrunk(high, scale, scale) if low is None else (high, low)
        yield PicturePair(path.stem, *pair)


def check_pictures(folder: Path, *, scale: int = SCALE, protocol: Protocol = "usual") -> None:
    """Read all test pictures of a folder, so that work with them fails at its start.

    Raises:
        InputError: see `pictures_of`.
    """
    for _ in _read(folder, scale, protocol):
        pass


def _read(
    folder: Path, scale: int, protocol: Protocol
) -> Iterator[tuple[Path, NDArray[np.uint8], NDArray[np.uint8] | None]]:
    """Yield path, high resolution and, where there is a file of it, low resolution of each test picture."""
    high_folders = [path for path in sorted(folder.glob("*_HR")) if path.is_dir()]
    for path in [] if high_folders else picture_files([folder]):
        high = read_rgb(path)
        _check_side(path, high, scale, protocol)
        yield path, high, None
    for high_folder in high_folders:
        low_folder = folder / high_folder.name.replace("_HR", "_LR_bicubic") / f"X{scale}"
        for path in picture_files([high_folder]):
            low = read_rgb(low_folder / f"{path.stem}x{scale}{path.suffix}")
            high = read_rgb(path)[: scale * low.shape[0], : scale * low.shape[1]]
            if high.shape != (scale * low.shape[0], scale * low.shape[1], 3):
                raise InputError(f"{path} isn't {scale} times as large as its picture in {low_folder}.")
            _check_side(path, high, scale, protocol)
            yield path, high, low


def shrunk_pairs(
    folders: list[Path], *, scale: int = SCALE, multiple: int | None = None, least: int = 1
) -> Iterator[tuple[Path, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield path, high and low resolution, uint8 RGB, of each picture, downscaled by MATLAB's bicubic.

    Pictures that are too small are left out, and at the end one line of the log says how many.

    Args:
        folders: searched recursively.
        scale: factor from low to high resolution.
        multiple: the sides are cropped to multiples of this many pixels; of the scale if ``None``.
        least: pixels that each side needs, if that is more.

    Raises:
        InputError: there are no pictures, one can't be read, or all are left out.
    """
    multiple = multiple or scale
    least = max(least, multiple)
    files, found = picture_files(folders), 0
    for path in files:
        high = read_rgb(path)
        if min(high.shape[:2]) >= least:
            found += 1
            yield path, *_shrunk(high, scale, multiple)
    if not found:
        where = ", ".join(map(str, folders))
        raise InputError(f"{where}: every picture has a side of less than {least} pixels, and larger ones are needed.")
    tell_left_out(len(files) - found, least, least)


def _shrunk(high: NDArray[np.uint8], scale: int, multiple: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    height, width = (side // multiple * multiple for side in high.shape[:2])
    high = high[:height, :width]
    return high, imresize(high, height // scale, width // scale)


def _check_side(path: Path, high: NDArray[np.uint8], scale: int, protocol: Protocol) -> None:
    """Refuse a picture on which the protocol's SSIM has no window, or that has no pixel once it is shrunk."""
    least = scale if protocol == "card" else -(-(WINDOW + 2 * scale) // scale) * scale
    height, width = high.shape[:2]
    if min(height, width) < least:
        raise InputError(
            f"{path} is {width}x{height}, and pictures that are enlarged {scale} times are measured from "
            f"{least}x{least} pixels on: take it out of the folder."
        )
