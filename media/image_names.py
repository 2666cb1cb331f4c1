"""Names of image files, and of image sequences with a number in the name, such as ``%05d.png``."""

import re
from pathlib import Path

from sr4k.common.picture_suffixes import READABLE

_NUMBER = re.compile(r"%(?:0(\d+))?d")


def is_sequence(path: Path) -> bool:
    """Whether the name is the pattern of an image sequence: it has a number field, and no file has that very name."""
    return len(_NUMBER.findall(path.name)) == 1 and not _exists(path)


def is_picture(path: Path) -> bool:
    """Whether the name is that of an image file or of an image sequence, by its suffix."""
    return path.suffix.lower() in READABLE


def number_in(name: str) -> str | None:
    """Return the number field of a name, such as ``%05d``; ``None`` if it has none."""
    match = _NUMBER.search(name)
    return None if match is None else match[0]


def numbered(path: Path, number: int) -> Path:
    """Return the path of the file with this number in a sequence."""
    return path.with_name(_NUMBER.sub(lambda match: f"{number:0{match[1] or 1}d}", path.name))


def numbers(path: Path) -> list[int]:
    """Return the numbers of a sequence's existing files, in ascending order."""
    before, after = path.name[: (place := _place(path))[0]], path.name[place[1] :]
    if not path.parent.is_dir():
        return []
    found = (
        int(file.name[len(before) : len(file.name) - len(after)])
        for file in path.parent.iterdir()
        if re.fullmatch(re.escape(before) + r"\d+" + re.escape(after), file.name)
    )
    return sorted(number for number in found if numbered(path, number).exists())


def stands_for(sequence: Path, path: Path) -> bool:
    """Whether a sequence's pattern matches the path of a file, which need not exist."""
    if not is_sequence(sequence) or sequence.parent.resolve() != path.parent.resolve():
        return False
    before, after = (re.escape(part) for part in _NUMBER.split(sequence.name)[:: _NUMBER.groups + 1])
    return re.fullmatch(rf"{before}\d+{after}", path.name) is not None


def files_of(path: Path) -> list[Path]:
    """Return all existing files of a sequence, or the path itself if it is none."""
    return [numbered(path, number) for number in numbers(path)] if is_sequence(path) else [path]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # of its folder, which is told where the path is read or written
        return False


def _place(path: Path) -> tuple[int, int]:
    match = _NUMBER.search(path.name)
    assert match is not None
    return match.span()
