"""Find picture files and read them."""

import hashlib
import logging
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr4k.common.file_hash import sha256_of
from sr4k.common.folder_walk import walked
from sr4k.common.jpeg_end import START_OF_FILE, jpeg_is_cut_off
from sr4k.common.library_lines import library_lines
from sr4k.common.opencv import cv2
from sr4k.common.picture_suffixes import READABLE
from sr4k.errors import InputError

log = logging.getLogger(__name__)

_ARE_LEFT_OUT = ("picture is left out: it is", "pictures are left out: they are")

_WHAT_TO_DO = "Take it out of the folder, or put a whole one in its place."


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a picture file as uint8 RGB (H, W, 3).

    Raises:
        InputError: OpenCV can't read it, or it is cut off.
    """
    if not path.is_file():  # reading a pipe would block
        raise InputError(f"{path} is no file: a picture is expected.")
    if _is_cut_off(path):
        raise InputError(f"{path} is damaged: the picture is cut off. {_WHAT_TO_DO}")
    with library_lines() as lines:
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise InputError(f"{path} isn't a picture that OpenCV can read. {_WHAT_TO_DO}")
    for line in lines:
        _tell(path, line)
    return np.ascontiguousarray(bgr[..., ::-1], dtype=np.uint8)


def picture_files(folders: list[Path]) -> list[Path]:
    """Return all picture files below the folders, in a fixed order.

    Raises:
        InputError: there are none, or a folder is missing, is none or can't be read.
    """
    for folder in folders:
        if not folder.exists():
            raise InputError(f"The folder {folder} does not exist.")
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder: name the folder that the pictures lie in.")
    files = [
        file for folder in folders for file in _below(folder) if file.suffix.lower() in READABLE and file.is_file()
    ]
    if not files:
        raise InputError(f"No pictures below {', '.join(map(str, folders))}: expected {', '.join(sorted(READABLE))}.")
    return files


def _below(folder: Path) -> list[Path]:
    return sorted(Path(inside, name) for inside, _, names in walked(folder) for name in names)


def hash_of_pictures(folders: list[Path]) -> str:
    """Return a hash of all picture files below the folders: of their bytes and their order, not of their names.

    Raises:
        InputError: there are none, one can't be read, or a folder is missing or is none.
    """
    together = hashlib.sha256()
    for path in picture_files(folders):
        try:
            together.update(sha256_of(path).encode())
        except OSError as err:
            raise _unreadable(path, err) from err
    return together.hexdigest()


def tell_left_out(count: int, height: int, width: int) -> None:
    """Tell in one line how many pictures are left out because they are smaller than that, if there are any."""
    if count:
        log.warning("%d %s smaller than %dx%d pixels.", count, _ARE_LEFT_OUT[count > 1], width, height)


def _is_cut_off(path: Path) -> bool:
    """Whether a picture is cut off of which OpenCV would make a whole one: a JPEG file, whatever its suffix."""
    try:
        with path.open("rb") as file:
            start = file.read(len(START_OF_FILE))
            return start == START_OF_FILE and jpeg_is_cut_off(start + file.read())
    except OSError as err:
        raise _unreadable(path, err) from err


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path} can't be read ({error.strerror}).")


@cache  # pictures are read several times, and told of once
def _tell(path: Path, line: str) -> None:
    """Tell what a library says of a picture that it could read."""
    log.warning("%s: %s", path, line)
