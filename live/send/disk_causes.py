"""Why a recording or playlist can't be written, in words that name what is in the way."""

import errno
import os
from pathlib import Path

from sr4k.live.address import Address
from sr4k.live.causes import cause
from sr4k.media.writing.write_errors import FULL


def disk_cause(error: Exception, target: Address) -> str:
    """Return the cause of an error of writing to a target on a disk, and what can be done about it."""
    if isinstance(error, PermissionError):
        return "its folder can't be written to: check its permissions"
    number = getattr(error, "errno", None)
    if number in FULL:
        return cause(error)
    if (found := in_the_way(target)) is not None:
        return f"{found}: remove it, or choose another folder"
    if number == errno.EISDIR and target.path.is_dir():
        return f"{target} is a folder, not a file: remove it, or choose another name"
    if number == errno.ENOENT and not target.path.parent.exists():
        return f"its folder {_folder(target)} was removed or moved away"
    name = getattr(error, "filename", None)
    return f"{cause(error)} ({name})" if name and _is_shown(target) else cause(error)


def in_the_way(target: Address) -> str | None:
    """Return what stands where the target's folder should be, as "X is a file, not a folder"; ``None`` if nothing."""
    found = next((path for path in target.path.parents if os.path.lexists(path)), None)
    if found is None or found.is_dir():
        return None
    name = str(found) if _is_shown(target) else f"a part of {_folder(target)}"
    return f"{name} is a file, not a folder" if found.is_file() else f"{name} is not a folder"


def _is_shown(target: Address) -> bool:
    """Whether all of its path may be shown: a part of it may come from the environment, and be a secret."""
    return target.shown == target.url


def _folder(target: Address) -> Path:
    return Path(target.shown).parent
