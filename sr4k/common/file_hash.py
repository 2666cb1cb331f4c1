"""The hash of a file's content."""

import hashlib
from pathlib import Path

_BLOCK = 2**20
"""Bytes that are read at a time."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits.

    Raises:
        OSError: it can't be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(
            _BLOCK
        ):  # `hashlib.file_digest` is not in Python 3.10, for which some code has to work
            digest.update(block)
    return digest.hexdigest()
