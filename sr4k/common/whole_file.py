"""Writing files whole."""

from contextlib import suppress
from pathlib import Path

from sr4k.errors import OutputError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, and its folder. It has its name only when it is whole; what had it before stays until then.

    Raises:
        OutputError: it can't be written.
    """
    beside = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data)
        beside.replace(path)
    except OSError as err:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        told = f"{path} can't be written ({err.strerror}). What was written before is kept: run it again to go on."
        raise OutputError(told) from err
