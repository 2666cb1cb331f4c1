"""The proxy that ``http_proxy`` names: whether there can be such a one, and why it fails, which libav doesn't tell."""

import os
import re
from base64 import b64encode
from http.client import HTTPConnection, HTTPException
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from sr4k.errors import OptionError
from sr4k.live.address import Address

_PORTS = {"http": 80, "https": 443, "rtmps": 443, "rtsps": 322}
"""Of the schemes that go through a proxy."""

_PATIENCE = 3.0
"""Seconds to look for what is wrong with it."""

_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")
_DENIED = 407

_HOW = "write http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT"


def check_proxy(address: Address) -> None:
    """See to it that the proxy which this address is reached through may be one.

    Raises:
        OptionError: ``http_proxy`` holds something else, which libav would pass over.
    """
    if _applies(address):
        _proxy()


def proxy_trouble(address: Address) -> str | None:
    """Why the proxy does not lead to an address, if that is why it fails; it is asked once more."""
    if not _applies(address):
        return None
    try:
        host, port, head = _proxy()
    except OptionError as err:
        return str(err).rstrip(".")
    named, parts = f"the proxy {host}:{port}, which http_proxy names,", urlsplit(address.url)
    proxy = HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        if parts.scheme == "http":
            proxy.request("HEAD", f"http://{parts.netloc.rpartition('@')[2]}/", headers=head)
            code = proxy.getresponse().status
            return f"{named} wants a user and a password: {_HOW}" if code == _DENIED else None
        proxy.set_tunnel(parts.hostname or "", parts.port or _PORTS[parts.scheme], head)
        proxy.connect()
    except (OSError, HTTPException) as err:
        refused = _REFUSED.search(str(err))
        if refused is not None and int(refused[1]) == _DENIED:
            return f"{named} wants a user and a password: {_HOW}"
        if refused is not None:
            return f"{named} refuses to lead there ({refused[1]})"
        if proxy.sock is None:
            return f"{named} can't be reached: {getattr(err, 'strerror', None) or 'no answer'}"
    finally:
        proxy.close()
    return None


def _applies(address: Address) -> bool:
    parts = urlsplit(address.url) if not address.is_local else None
    if parts is None or parts.scheme not in _PORTS or not os.environ.get("http_proxy"):
        return False
    bypass = {"no": os.environ.get("no_proxy", "")}
    return not proxy_bypass_environment(parts.netloc.rpartition("@")[2], bypass)


def _proxy() -> tuple[str, int, dict[str, str]]:
    """Its host and port, and what it is told of who asks.

    Raises:
        OptionError: it is none.
    """
    try:
        parts = urlsplit(os.environ["http_proxy"])
        host, port = parts.hostname, parts.port or _PORTS["http"]
        if parts.scheme != "http" or not host:
            raise ValueError
    except ValueError:
        raise OptionError(f"http_proxy holds no address of a proxy: {_HOW}, or leave it out.") from None
    if parts.username is None:
        return host, port, {}
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return host, port, {"Proxy-Authorization": f"Basic {b64encode(user.encode()).decode()}"}
