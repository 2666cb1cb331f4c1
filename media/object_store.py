"""Objects behind ``s3://`` and files behind ``http(s)://``, by obstore: parts of them are read, small ones are put.

Errors of obstore hold whole addresses, signatures and answers of servers. None of their text leaves `in_words`.
"""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from sr4k.errors import InputError, OptionError, Sr4kError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, HTTPStore, RetryConfig, S3Store

S3: Final = "s3"
"""Scheme of objects in buckets."""

_VARIABLES = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"

_NO_CREDENTIALS = (
    f"there are no credentials in the environment. Set {_VARIABLES}, or AWS_SKIP_SIGNATURE=true for a public bucket."
)

_READ_LIMIT, WRITE_LIMIT = "60s", "15m"
"""Time limits of one request that reads a part, and of one that writes a whole object."""

_CONNECT = "10s"

_RETRIES = 6

_ALL_RETRIES = timedelta(seconds=90)
"""Time for all attempts at one request, while a server is overloaded or away."""

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")

_WHOLE = "non-partial response"
"""What obstore says of a server of objects that gives the whole where a part was asked for."""

_NO_RANGE = "416"
"""Status with which servers answer where not even the first byte of the range that is asked for exists."""

_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
    "AWS_SKIP_SIGNATURE",
)
"""Variables any of which says where credentials come from; without them, they are those of the machine's role."""

_ROLE = "169.254.169.254"
"""Where an instance in Amazon's cloud gets the credentials of its role."""

_ROLE_ANSWERS = 2.0
"""Seconds that it gets to accept a connection: requests to it would be tried for minutes."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of an object. ``size``: of the whole, in bytes; ``tag``: changes with its content; ``None``: not told."""

    data: bytes
    size: int
    tag: str | None


def read_piece(address: str, shown: str, begin: int, end: int, tag: str | None = None) -> Piece:
    """Read the bytes from ``begin`` until before ``end``, or to the end of the object if that comes first.

    Of an empty object, it is nothing.

    Args:
        address: where it is, with all secrets.
        shown: the same for messages.
        begin: of the bytes.
        end: of the bytes.
        tag: of an earlier piece; ``None``: this is the first.

    Raises:
        FileNotFoundError: it doesn't exist.
        InputError: it can't be read, or has changed since the earlier piece; says why, and what to do.
    """
    import obstore
    from obstore.exceptions import BaseError

    with in_words(shown, "read"):
        store, key = store_of(address, shown, _READ_LIMIT)
        wanted: obstore.GetOptions = {"range": (begin, end)}
        if tag is not None and not tag.startswith("W/"):  # a weak one can't be compared
            wanted["if_match"] = tag
        try:
            got = obstore.get(store, key, options=wanted)
        except BaseError as err:
            status = _STATUS.search(str(err))
            if begin == 0 and status is not None and status[1] == _NO_RANGE:
                return Piece(b"", 0, None)
            raise
        return Piece(bytes(got.bytes()), got.meta["size"], got.meta.get("e_tag"))


def size_of(address: str, shown: str) -> int:
    """Return the size of an object in bytes; for what it raises see `read_piece`.

    A part is read for it, as an address that is signed for reading is good for no other request.
    """
    return read_piece(address, shown, 0, 1).size


def put_once(address: str, shown: str, content: Path | bytes) -> bool:
    """Put an object, unless there is one; return whether it was put. Nobody ever sees a part of it.

    Raises:
        InputError: it can't be written; says why, and what to do.
    """
    import obstore
    from obstore.exceptions import AlreadyExistsError

    with in_words(shown, "written"):
        store, key = store_of(address, shown, WRITE_LIMIT)
        try:
            obstore.put(store, key, content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        return True


def names_below(address: str, shown: str) -> list[str]:
    """Return the names of the objects right below a prefix; for what it raises see `put_once`."""
    import obstore

    with in_words(shown, "read"):
        store, key = store_of(address, shown, _READ_LIMIT)
        found = obstore.list_with_delimiter(store, key)["objects"]
        return [each["path"].rpartition("/")[2] for each in found]


def delete(address: str, shown: str) -> None:
    """Delete an object, if there is one; for what it raises see `put_once`."""
    import obstore

    with suppress(FileNotFoundError), in_words(shown, "deleted"):
        store, key = store_of(address, shown, _READ_LIMIT)
        obstore.delete(store, key)


def check_installed(shown: str) -> None:
    """Refuse addresses where obstore is not installed.

    Raises:
        OptionError: it isn't.
    """
    if find_spec("obstore") is None:
        raise OptionError(f"{shown} needs obstore: pip install 'sr4k-stream[s3]'.")


def store_of(address: str, shown: str, limit: str) -> "tuple[S3Store | HTTPStore, str]":
    """Return the store and the object's key in it. Credentials, region and endpoint come from the environment."""
    from obstore.store import HTTPStore, S3Store

    options: ClientConfig = {"timeout": limit, "connect_timeout": _CONNECT, "allow_http": True}
    retries: RetryConfig = {"max_retries": _RETRIES, "retry_timeout": _ALL_RETRIES}
    parts = urlsplit(address)
    if parts.scheme != S3:
        return HTTPStore.from_url(address, client_options=options, retry_config=retries), ""
    bucket, _, key = address.removeprefix(f"{S3}://").partition("/")
    _check_credentials(shown)
    return S3Store(bucket, client_options=options, retry_config=retries), key


def _check_credentials(shown: str) -> None:
    """Refuse an environment without credentials, on a machine that has no role."""
    if any(os.environ.get(name) for name in _CREDENTIALS):
        return
    try:
        socket.create_connection((_ROLE, 80), _ROLE_ANSWERS).close()
    except OSError:
        raise InputError(f"{shown} can't be reached: {_NO_CREDENTIALS}") from None


@contextmanager
def in_words(shown: str, verb: str) -> Iterator[None]:
    """Raise what goes wrong as an error that says what is wrong, where, and what to do."""
    from obstore.exceptions import BaseError, NotSupportedError, PreconditionError

    try:
        yield
    except Sr4kError:
        raise
    except PreconditionError:
        raise InputError(f"{shown} has changed while it was read.") from None
    except (BaseError, OSError, ValueError) as err:
        said = str(err)
        if isinstance(err, NotSupportedError) or _WHOLE in said:
            raise InputError(f"{shown} can't be read: its server gives no parts of files (range requests).") from None
        code = _CODE.search(said)
        if isinstance(err, FileNotFoundError) and (code is None or code[1] != "NoSuchBucket"):
            raise FileNotFoundError(2, "No such file or directory", shown) from None
        why = _reason(said, None if code is None else code[1], urlsplit(shown))
        raise InputError(f"{shown} can't be {verb}: {why}") from None


def _reason(said: str, code: str | None, address: SplitResult) -> str:
    """Return why a request failed, and what to do, by the text of an error, of which nothing else may be told."""
    is_object = address.scheme == S3
    if is_object and (_ROLE in said or "Missing" in said):
        return _NO_CREDENTIALS
    if code == "NoSuchBucket":
        return (
            f"there is no bucket {address.netloc} on this server. Check its name, and AWS_ENDPOINT_URL for servers "
            "other than Amazon's."
        )
    if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"):
        return f"the server refuses the credentials in the environment ({code}): check {_VARIABLES}."
    status = _STATUS.search(said)
    is_denied = status is not None and status[1] in ("401", "403")
    if is_denied and is_object:
        return f"access is denied to these credentials. Check {_VARIABLES}, and what they allow in {address.netloc}."
    if is_denied:
        return "access is denied. Check its user and password, or whether its signature has expired."
    if "redirect" in said or code in ("PermanentRedirect", "AuthorizationHeaderMalformed"):
        return "the bucket is in another region: set AWS_REGION to it."
    if status is not None:
        return f"its server answers {status[1]}{'' if code is None else f' ({code})'}."
    if is_object:
        return "its server can't be reached, or doesn't answer. Check AWS_ENDPOINT_URL and AWS_REGION."
    return "its server can't be reached, or doesn't answer."
