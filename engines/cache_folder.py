"""The folder for what is costly to find out or to build, and depends on the machine. Light to import."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kept = TypeVar("Kept", bound="DataclassInstance")

FOLDER = "SR4K_CACHE"
"""Environment variable that overrides the folder."""

_USERS = "XDG_CACHE_HOME"
"""Environment variable with the user's cache directory, by the XDG Base Directory Specification."""


def cache_folder() -> Path:
    """Return the cache folder: ``SR4K_CACHE``, or a folder in the user's cache directory."""
    users = os.environ.get(_USERS, "")
    home = Path(users) if users.startswith("/") else Path("~/.cache").expanduser()
    return Path(os.environ.get(FOLDER) or home / "sr4k-stream" / "engines")


def hash_of(parts: Mapping[str, Any], graph: bytes = b"") -> str:
    """Return a hash of everything that something kept depends on: values that JSON can hold, and a network itself."""
    facts = json.dumps(parts, sort_keys=True).encode()
    return hashlib.sha256(hashlib.sha256(graph).digest() + facts).hexdigest()[:32]


def read_kept(path: Path, kind: type[Kept]) -> Kept | None:
    """Return what was kept as JSON, a dataclass of this kind; ``None`` if there is none, or the file is damaged."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return kind(**{each.name: found[each.name] for each in fields(kind)})
    except (OSError, ValueError, KeyError, TypeError):
        return None
