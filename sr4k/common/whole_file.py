"""Writes files atomically."""

from contextlib import suppress
from pathlib import Path

from sr4k.errors import OutputError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, and create its folder if needed. The name refers to the old file until the new one is complete.

    Raises:
        OutputError: the file can't be written.
    """
    beside = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data)
        beside.replace(path)
    except OSError as err:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise OutputError(
            f"{path} can't be written ({err.strerror}). Files written earlier are kept: run it again to continue."
        ) from err
