"""Pictures in files: which names are pictures, and series of them with a number in the name, such as ``%05d.png``."""

import re
from pathlib import Path

from sr4k.common.picture_suffixes import READABLE

_NUMBER = re.compile(r"%(?:0(\d+))?d")


def is_sequence(path: Path) -> bool:
    """Whether the name stands for many: it has a place for a number, and no file is called so."""
    return len(_NUMBER.findall(path.name)) == 1 and not path.exists()


def is_picture(path: Path) -> bool:
    """Whether it is one picture, or a sequence of them."""
    return path.suffix.lower() in READABLE


def number_in(name: str) -> str | None:
    """The place for a number in a name, if it has one, such as ``%05d``."""
    match = _NUMBER.search(name)
    return None if match is None else match[0]


def numbered(path: Path, number: int) -> Path:
    """The file with this number."""
    return path.with_name(_NUMBER.sub(lambda match: f"{number:0{match[1] or 1}d}", path.name))


def numbers(path: Path) -> list[int]:
    """Of the files that there are, in order."""
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
    """Whether a name with a place for a number stands for that file, be it there or not."""
    if not is_sequence(sequence) or sequence.parent.resolve() != path.parent.resolve():
        return False
    before, after = (re.escape(part) for part in _NUMBER.split(sequence.name)[:: _NUMBER.groups + 1])
    return re.fullmatch(rf"{before}\d+{after}", path.name) is not None


def files_of(path: Path) -> list[Path]:
    """All files that a name stands for."""
    return [numbered(path, number) for number in numbers(path)] if is_sequence(path) else [path]


def _place(path: Path) -> tuple[int, int]:
    match = _NUMBER.search(path.name)
    assert match is not None
    return match.span()
