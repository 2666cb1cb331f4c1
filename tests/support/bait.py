"""Folders that programs must run nothing of: their modules write down that they ran, their libraries break a loader."""

import os
from pathlib import Path

_MODULES = (
    "_pickle",
    "multiprocessing",
    "numpy",
    "pickle",
    "queue",
    "selectors",
    "signal",
    "socket",
    "struct",
    "random",
)
_RAN = "ran.txt"


def set_out(folder: Path) -> Path:
    """Make one."""
    folder.mkdir(parents=True)
    (folder / "sr4k").mkdir()
    for file in (folder / "sr4k" / "__init__.py", *(folder / f"{name}.py" for name in _MODULES)):
        file.write_text(
            f"with open({str(folder / _RAN)!r}, 'a') as f: f.write(__name__ + '\\n')\nraise SystemExit(3)\n"
        )
    for name in ("libm.so.6", "libc.so.6"):
        (folder / name).write_text("no library")
    return folder


def environment(**more: str) -> dict[str, str]:
    """For a program that is started there: this process's own may have what the import of OpenCV leaves in it."""
    return {**os.environ, "LD_LIBRARY_PATH": "", **more}


def ran(folder: Path) -> list[str]:
    """The names of what did."""
    told = folder / _RAN
    return told.read_text().split() if told.exists() else []
