"""Paths of files behind ``s3://`` and ``http(s)://``: what reads files by their paths reads these as well."""

import io
import os
import re
import stat
from pathlib import PosixPath
from typing import Any, BinaryIO, Self
from urllib.parse import urlsplit

from sr4k.errors import OptionError
from sr4k.media.object_store import S3, check_installed, read_piece, size_of

_SCHEME = re.compile(r"(s3|https?)://", re.IGNORECASE)
_PART = 4 << 20
"""Bytes that are read at a time: at fewer, the time that a request takes is most of it."""


class RemotePath(PosixPath):
    """Path of a file that is read by ranges. Its text is its address without user, password and query: it may be shown.

    Nothing can be written through it. Paths that are derived from it, such as its parent, have no secrets.
    """

    _secret: str | None = None

    @classmethod
    def of(cls, address: str) -> Self:
        """Return the path of an address.

        Raises:
            OptionError: it is invalid, or obstore is not installed.
        """
        scheme, _, rest = address.partition("://")
        scheme = scheme.lower()
        if scheme == S3:
            check_installed("s3://")
            return cls(f"{S3}://{rest}")
        try:
            parts = urlsplit(address)
            host = parts.netloc.rpartition("@")[2]
            if not parts.hostname or not parts.path.strip("/"):
                raise ValueError
        except ValueError:
            raise OptionError(f"An {scheme}:// address is invalid: write it as {scheme}://host/name.mkv.") from None
        check_installed(f"{scheme}://")
        path = cls(f"{scheme}://{host}{parts.path}")
        path._secret = address
        return path

    @property
    def address(self) -> str:
        """The address with all secrets."""
        return self._secret or str(self)

    @property
    def is_in_bucket(self) -> bool:
        """Whether it is ``s3://``."""
        return self.parts[0] == f"{S3}:"

    def __str__(self) -> str:
        return _SCHEME_OF_PATH.sub(r"\1://", super().__str__(), count=1)

    def __reduce__(self) -> Any:
        return _restored, (type(self), str(self), self._secret)

    def absolute(self) -> Self:
        return self

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:  # noqa: ARG002 - there are none
        """Return a stat result that has the size, in bytes, and says that it is a regular file.

        Raises:
            OSError: there is none, or it can't be read; the message of an `InputError` says why.
        """
        if len(self.parts) < 3:
            raise FileNotFoundError(2, "No such file or directory", str(self))
        return os.stat_result((stat.S_IFREG | 0o444, 0, 0, 1, 0, 0, size_of(self.address, str(self)), 0, 0, 0))

    def exists(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002 - there are none
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_file(self, **_follow: bool) -> bool:
        return self.exists()

    def is_dir(self, **_follow: bool) -> bool:
        return False

    def open(self, mode: str = "rb", buffering: int = -1, **_text: Any) -> BinaryIO:  # type: ignore[override]
        """Open the file to read bytes.

        Raises:
            OSError: as for `stat`.
        """
        assert mode == "rb"
        ranges = _Ranges(self.address, str(self), self.stat().st_size)
        return ranges if buffering == 0 else io.BufferedReader(ranges, _PART)  # type: ignore[return-value]


def remote_path(text: str) -> RemotePath | None:
    """Return the path of an ``s3://`` or ``http(s)://`` address; ``None``: the text is none.

    Raises:
        OptionError: it is invalid, or obstore is not installed.
    """
    return RemotePath.of(text) if is_remote(text) else None


def is_remote(text: str) -> bool:
    """Whether a text is an ``s3://`` or ``http(s)://`` address."""
    return _SCHEME.match(text) is not None


def is_in_bucket(text: str) -> bool:
    """Whether a text is an ``s3://`` address."""
    return text.lower().startswith(f"{S3}://")


class _Ranges(io.RawIOBase):
    """Reads a file by ranges, each when it is asked for."""

    def __init__(self, address: str, shown: str, size: int) -> None:
        self._address, self.name, self._size = address, shown, size
        self._at = 0
        self._tag: str | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        piece = read_piece(self._address, self.name, self._at, end, self._tag)
        self._tag = piece.tag
        buffer[: len(piece.data)] = piece.data
        self._at += len(piece.data)
        return len(piece.data)


_SCHEME_OF_PATH = re.compile(r"^(s3|https?):/(?!/)")


def _restored(kind: type[RemotePath], text: str, secret: str | None) -> RemotePath:
    path = kind(text)
    path._secret = secret
    return path
