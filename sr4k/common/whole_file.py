"""Writes files atomically."""

import os
from contextlib import suppress
from pathlib import Path

from sr4k.errors import OutputError


def write_whole(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write a file, and create its folder if needed. The name refers to the old file until the new one is complete.

    Args:
        path: of the file.
        data: what is in it.
        mode: its permissions; ``None``: the usual ones.

    Raises:
        OutputError: the file can't be written.
    """
    beside = path.with_name(f"{path.name}.{os.urandom(4).hex()}.tmp")  # another process may write it too
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if mode is not None:
            beside.touch(mode=0o600)  # nobody reads it who may not read the file
        beside.write_bytes(data)
        if mode is not None:
            beside.chmod(mode & 0o7777)
        beside.replace(path)
    except OSError as err:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise OutputError(f"{path} can't be written ({err.strerror}).") from err
