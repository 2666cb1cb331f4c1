"""Checks of the proxy in ``http_proxy``: whether its address is valid, and why it fails, which libav doesn't report."""

import os
import re
from http.client import HTTP_PORT, HTTPConnection, HTTPException
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from sr4k.common.basic_auth import basic_authorization
from sr4k.errors import OptionError
from sr4k.live.address import Address
from sr4k.live.tls import is_secure

_PATIENCE = 3.0
"""Timeout in seconds of the diagnosis."""

_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")
_DENIED = 407

_HOW = "write http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT"


def check_proxy(address: Address) -> None:
    """Check the address of the proxy that this address is reached through, if any.

    Raises:
        OptionError: ``http_proxy`` holds no valid proxy address; libav would silently ignore it.
    """
    if _applies(address):
        _proxy()


def proxy_trouble(address: Address) -> str | None:
    """Return why the proxy is the reason that an address can't be reached, or ``None`` if it isn't.

    Connects to the proxy once to find out.
    """
    if not _applies(address):
        return None
    try:
        host, port, head = _proxy()
    except OptionError as err:
        return str(err).rstrip(".")
    named, parts = f"the proxy {host}:{port}, set in http_proxy,", urlsplit(address.url)
    proxy = HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        if not is_secure(address):
            proxy.request("HEAD", f"http://{parts.netloc.rpartition('@')[2]}/", headers=head)
            code = proxy.getresponse().status
            return f"{named} requires a user and a password: {_HOW}" if code == _DENIED else None
        proxy.set_tunnel(*address.host_and_port, head)
        proxy.connect()
    except (OSError, HTTPException) as err:
        refused = _REFUSED.search(str(err))
        if refused is not None and int(refused[1]) == _DENIED:
            return f"{named} requires a user and a password: {_HOW}"
        if refused is not None:
            return f"{named} refuses to connect there ({refused[1]})"
        if proxy.sock is None:
            return f"{named} can't be reached: {getattr(err, 'strerror', None) or 'no answer'}"
    finally:
        proxy.close()
    return None


def _applies(address: Address) -> bool:
    scheme = address.scheme
    if scheme is None or not scheme.uses_proxy or not os.environ.get("http_proxy"):
        return False
    bypass = {"no": os.environ.get("no_proxy", "")}
    return not proxy_bypass_environment(urlsplit(address.url).netloc.rpartition("@")[2], bypass)


def _proxy() -> tuple[str, int, dict[str, str]]:
    """Return the proxy's host, its port, and the headers that authenticate with it.

    Raises:
        OptionError: ``http_proxy`` holds no valid proxy address.
    """
    try:
        parts = urlsplit(os.environ["http_proxy"])
        host, port = parts.hostname, parts.port or HTTP_PORT
        if not os.environ["http_proxy"].startswith("http://") or not host:  # libav takes no capitals
            raise ValueError
    except ValueError:
        raise OptionError(f"http_proxy isn't the address of a proxy: {_HOW}, or unset it.") from None
    if parts.username is None:
        return host, port, {}
    return host, port, {"Proxy-Authorization": basic_authorization(parts.username, parts.password or "")}
