"""Refuses addresses where a command reads or writes files of this machine alone."""

import os
import re
from pathlib import Path

from sr4k.errors import OptionError

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?=[^/])")
"""Beginning of an address of which a path was made: that has lost a slash."""


def check_local(*paths: Path | None) -> None:
    """Refuse addresses such as ``s3://bucket/name``.

    Raises:
        OptionError: one of the paths is one, and no file has that name.
    """
    for path in paths:
        if path is not None and _ADDRESS.match(str(path)) and not os.path.lexists(path):
            address = _ADDRESS.sub(r"\1://", str(path), count=1)
            raise OptionError(
                f"{address} is an address, which can't be used here: name a file or folder of this machine."
            )
