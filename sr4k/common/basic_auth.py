"""Basic authentication of HTTP (RFC 7617) by a user and a password as URLs have them."""

from base64 import b64encode
from urllib.parse import unquote


def basic_authorization(user: str, password: str) -> str:
    """Return the value of an ``Authorization`` or ``Proxy-Authorization`` header.

    Args:
        user, password: percent-encoded, as in the part of a URL before the ``@``.
    """
    return f"Basic {b64encode(f'{unquote(user)}:{unquote(password)}'.encode()).decode()}"
