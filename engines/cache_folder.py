"""The folder for what is costly to find out or to build, and depends on the machine. Light to import."""

import os
from pathlib import Path

FOLDER = "SR4K_CACHE"
"""Environment variable that overrides the folder."""

_USERS = "XDG_CACHE_HOME"
"""Environment variable with the user's cache directory, by the XDG Base Directory Specification."""


def cache_folder() -> Path:
    """Return the cache folder: ``SR4K_CACHE``, or a folder in the user's cache directory."""
    users = os.environ.get(_USERS, "")
    home = Path(users) if users.startswith("/") else Path("~/.cache").expanduser()
    return Path(os.environ.get(FOLDER) or home / "sr4k-stream" / "engines")
