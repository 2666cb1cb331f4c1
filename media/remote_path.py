"""Paths of files behind ``s3://`` and ``http(s)://``: what reads files by their paths reads these as well."""

import io
import os
import re
import stat
from pathlib import Path, PosixPath
from typing import Any, BinaryIO, Self
from urllib.parse import urlsplit

from sr4k.errors import InputError, OptionError
from sr4k.media.object_store import S3, check_installed, read_piece, size_of

_SCHEME = re.compile(r"(s3|https?)://", re.IGNORECASE)
_BUCKET = re.compile(r"[A-Za-z0-9][\w.-]*(?:/|$)", re.ASCII)
"""A bucket's name, at the beginning of what follows the scheme."""

_SIGNED = re.compile(r"\?.*=")
"""A query, which no object in a bucket has: credentials."""

_PART = 4 << 20
"""Bytes that are read at a time: at fewer, the time that a request takes is most of it."""

_HEAD = 1 << 16
"""Bytes that are read when a file is opened: a request for its size is needed anyway, and most files are read there."""


class RemotePath(PosixPath):
    """Path of a file that is read by ranges. Its text is its address without user, password and query: it may be shown.

    Nothing can be written through it. Paths that are derived from it, such as its parent, have no secrets.
    """

    _secret: str | None = None
    _told: str | None = None
    _ends_in_slash = False

    @classmethod
    def of(cls, address: str) -> Self:
        """Return the path of an address.

        Raises:
            OptionError: it is invalid, or obstore is not installed.
        """
        scheme, _, rest = address.partition("://")
        scheme = scheme.lower()
        if scheme == S3:
            if not _BUCKET.match(rest) or _SIGNED.search(rest):
                raise OptionError(
                    "An s3:// address is invalid: write it as s3://bucket/name.mkv. Credentials belong in "
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; a signed address begins with https://."
                )
            if not {"", ".", ".."}.isdisjoint(rest.removesuffix("/").split("/")):
                raise OptionError(
                    f"{S3}://{rest} can't be used, as parts of its name are empty, or . or ..: rename the object."
                )
            check_installed("s3://")
            path = cls(f"{S3}://{rest}")
            path._ends_in_slash = rest.endswith("/")
            return path
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

    def told_as(self, name: str) -> Self:
        """Return the same path; errors call it by another name, where users don't know its own."""
        path = type(self)(str(self))
        path._secret, path._told = self._secret, name
        return path

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
        self.check_object()
        size = size_of(self.address, self._told or str(self))
        return os.stat_result((stat.S_IFREG | 0o444, 0, 0, 1, 0, 0, size, 0, 0, 0))

    def check_object(self) -> None:
        """Refuse a bucket in the place of an object in it, and a name that ends in a slash, as of a folder.

        Raises:
            InputError: it is one.
        """
        if self._is_bucket:
            raise InputError(f"{self} is a bucket: name an object in it, as {S3}://bucket/name.mkv.")
        if self._ends_in_slash:
            raise InputError(f"{self}/ ends in a slash, as a folder does: name an object, as {S3}://bucket/name.mkv.")

    @property
    def _is_bucket(self) -> bool:
        return len(self.parts) < 3

    def exists(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002 - there are none
        if self._is_bucket or self._ends_in_slash:
            return False
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
        """Open the file to read bytes, by requests of ``buffering`` bytes each; -1: of as many as are fast.

        Raises:
            OSError: as for `stat`.
        """
        assert mode == "rb"
        self.check_object()
        if buffering == 0:
            return _Ranges(self.address, self._told or str(self))  # type: ignore[return-value]
        ranges = _Ranges(self.address, self._told or str(self), _HEAD)
        return io.BufferedReader(ranges, _PART if buffering < 0 else buffering)


def remote_path(text: str) -> RemotePath | None:
    """Return the path of an ``s3://`` or ``http(s)://`` address; ``None``: the text is none.

    Raises:
        OptionError: it is invalid, or obstore is not installed.
    """
    return RemotePath.of(text) if is_remote(text) else None


def file_or_remote(given: str | os.PathLike[str]) -> Path:
    """Return the path of a file, or of an ``s3://`` or ``http(s)://`` address, unless a file has that very name.

    Raises:
        OptionError: as for `remote_path`.
    """
    if isinstance(given, RemotePath):
        return given
    remote = remote_path(given) if isinstance(given, str) and not os.path.lexists(given) else None
    return remote or Path(given)


def is_remote(text: str) -> bool:
    """Whether a text is an ``s3://`` or ``http(s)://`` address."""
    return _SCHEME.match(text) is not None


def is_in_bucket(text: str) -> bool:
    """Whether a text is an ``s3://`` address."""
    return text.lower().startswith(f"{S3}://")


def shown_in_bucket(text: str) -> str:
    """Return what may be shown of an ``s3://`` address: all of it, unless there are, or may be, credentials in it."""
    rest = text[len(f"{S3}://") :]
    is_open = not rest or (_BUCKET.match(rest) and not _SIGNED.search(rest))
    return text if is_open else f"{S3}://***"


class _Ranges(io.RawIOBase):
    """Reads a file by ranges, each when it is asked for, but for the first ``ahead`` bytes, which are kept."""

    def __init__(self, address: str, shown: str, ahead: int = 0) -> None:
        first = read_piece(address, shown, 0, max(1, ahead))
        self._address, self.name, self._size = address, shown, first.size
        self._at = 0
        self._tag = first.tag
        self._head = first.data[:ahead]

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
        data = self._head[self._at : end]
        if not data:
            piece = read_piece(self._address, self.name, self._at, end, self._tag)
            self._tag, data = piece.tag, piece.data
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readall(self) -> bytes:
        data = bytearray()
        while more := self.read(_PART):
            data += more
        return bytes(data)


_SCHEME_OF_PATH = re.compile(r"^(s3|https?):/(?!/)")


def _restored(kind: type[RemotePath], text: str, secret: str | None) -> RemotePath:
    path = kind(text)
    path._secret = secret
    return path
