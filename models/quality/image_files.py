"""Find picture files and read them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.common.picture_suffixes import READABLE
from sr4k.errors import InputError


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a picture file as uint8 RGB (H, W, 3).

    Raises:
        InputError: OpenCV can't read it.
    """
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None  # reading a pipe would block
    if bgr is None:
        raise InputError(f"{path} isn't a picture that OpenCV can read.")
    return np.ascontiguousarray(bgr[..., ::-1], dtype=np.uint8)


def picture_files(folders: list[Path]) -> list[Path]:
    """Return all picture files below the folders, in a fixed order.

    Raises:
        InputError: there are none, or a folder is missing or is none.
    """
    for folder in folders:
        if not folder.exists():
            raise InputError(f"The folder {folder} does not exist.")
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder: name the folder that the pictures lie in.")
    files = [f for folder in folders for f in sorted(folder.rglob("*")) if f.suffix.lower() in READABLE and f.is_file()]
    if not files:
        raise InputError(f"No pictures below {', '.join(map(str, folders))}: expected {', '.join(sorted(READABLE))}.")
    return files
