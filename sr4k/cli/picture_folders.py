"""Protects folders of pictures that a command reads from the pictures that it writes."""

from pathlib import Path

from sr4k.errors import OptionError


def check_outside(target: Path, folder: Path, option: str) -> None:
    """Refuse to write pictures into a folder whose pictures are read: the next run would read them as well.

    Args:
        target: file or folder that will be written.
        folder: folder that is searched for pictures, with all its subfolders.
        option: option that named ``target``, for the error.

    Raises:
        OptionError: ``target`` lies in ``folder``, or is that folder.
    """
    if target.resolve().is_relative_to(folder.resolve()):
        raise OptionError(
            f"{option} {target} lies in {folder}, and what is written there would be read as one of its pictures: "
            "name a place outside that folder."
        )
