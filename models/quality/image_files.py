"""Pictures from files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.common.picture_suffixes import READABLE
from sr4k.errors import InputError


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """A picture file as uint8 RGB (H, W, 3).

    Raises:
        InputError: it can't be read.
    """
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None  # a pipe would be waited for
    if bgr is None:
        raise InputError(f"{path} is not a picture that OpenCV can read.")
    return np.ascontiguousarray(bgr[..., ::-1], dtype=np.uint8)


def picture_files(folders: list[Path]) -> list[Path]:
    """All pictures below the folders, in a fixed order.

    Raises:
        InputError: there are none.
    """
    files = [f for folder in folders for f in sorted(folder.rglob("*")) if f.suffix.lower() in READABLE and f.is_file()]
    if not files:
        raise InputError(f"No pictures below {', '.join(map(str, folders))}: expected {', '.join(sorted(READABLE))}.")
    return files
