"""Bait folders, from which programs must load nothing: their modules record that they ran; libraries are broken."""

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
    """Make a bait folder and return its path."""
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
    """Return the environment for a program started there, without the LD_LIBRARY_PATH that an import of OpenCV sets."""
    return {**os.environ, "LD_LIBRARY_PATH": "", **more}


def ran(folder: Path) -> list[str]:
    """Return the names of the bait modules that ran."""
    record = folder / _RAN
    return record.read_text().split() if record.exists() else []
