"""Where an image sequence ends for libav, which reads no picture after the first one that it can't open."""

import os
import stat
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from sr4k.media.image_names import is_sequence, numbered, numbers


@dataclass(frozen=True, slots=True)
class Gap:
    """The end of a sequence before its last picture.

    Attributes:
        before: number of pictures before it, which are read.
        lost: number of existing pictures from it on.
        reason: a description for people.
    """

    before: int
    lost: int
    reason: str


def gap_in(path: Path) -> Gap | None:
    """Return the first gap in a sequence: a number without a file, or with one that libav takes for the end.

    Returns:
        The gap; ``None`` if there is none, or the path is no sequence.
    """
    found = numbers(path) if is_sequence(path) else []
    for before, (wanted, number) in enumerate(zip(count(min(found, default=0)), found, strict=False)):
        picture, lost = numbered(path, wanted), len(found) - before
        if (trouble := "is missing" if number != wanted else _trouble_of(picture)) is not None:
            after = lost if number != wanted else lost - 1
            return Gap(before, lost, f"{picture.name} {trouble}{_left_out(after)}")
    return None


def _left_out(pictures: int) -> str:
    if pictures > 1:
        return f", {pictures} pictures after it are left out"
    return ", 1 picture after it is left out" if pictures else ""


def _trouble_of(picture: Path) -> str | None:
    found = picture.stat()
    if not stat.S_ISREG(found.st_mode):
        return "is no file"
    if not os.access(picture, os.R_OK):
        return "may not be read"
    return None if found.st_size else "is empty"
