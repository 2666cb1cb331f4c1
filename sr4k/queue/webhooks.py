"""Webhooks: addresses that news is posted to, as JSON that is signed."""

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from typing import Any, ClassVar
from urllib.parse import urlsplit

from sr4k.common.basic_auth import basic_authorization
from sr4k.queue.receiver import WAITS, key_of, told

_TIMEOUT = 10.0
"""Seconds for which a webhook may say nothing."""

_WHOLE = 20.0
"""Seconds for a post; the start of its process is among them."""


@dataclass(frozen=True)
class Webhook:
    """An address that JSON is posted to; see `Receiver`.

    Attributes:
        secret: key of the signature, left out without one.
        number: among the webhooks at this host and port; ``None``: there is no other.
    """

    waits: ClassVar[tuple[float, ...]] = WAITS

    url: str = field(repr=False)
    secret: str | None = field(repr=False)
    number: int | None = None

    @property
    def name(self) -> str:
        return f"{'The webhook' if self.number is None else f'Webhook {self.number}'} at {_host(self.url)}"

    @cached_property
    def key(self) -> str:
        return key_of(self.url)

    def tell(self, news: dict[str, Any], is_over: Callable[[], bool]) -> str | None:
        return told(_posted, self.url, json.dumps(news), self.secret, seconds=_WHOLE, is_over=is_over)


def webhooks_at(urls: Sequence[str], secret: str | None) -> Iterator[Webhook]:
    """Yield the webhooks at addresses; for ``secret`` see `Webhook`."""
    hosts, seen = Counter(map(_host, urls)), Counter[str]()
    for url in urls:
        seen[_host(url)] += 1
        yield Webhook(url, secret, seen[_host(url)] if hosts[_host(url)] > 1 else None)


def is_address(url: str) -> bool:
    """Whether JSON can be posted to an address."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a webhook: the HMAC-SHA256 of ``TIMESTAMP.BODY``, as hexadecimal digits."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _host(url: str) -> str:
    """Return host and port of an address, without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def _posted(url: str, body: str, secret: str | None) -> str | None:
    """Post JSON; return why that failed, without the address, which may hold a secret; ``None``: it did not."""
    parts, content, timestamp = urlsplit(url), body.encode(), str(int(time.time()))
    headers = {"Content-Type": "application/json", "X-Sr4k-Timestamp": timestamp}
    if parts.username is not None:
        headers["Authorization"] = basic_authorization(parts.username, parts.password or "")
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if secret is not None:
        headers["X-Sr4k-Signature"] = f"sha256={signature(secret, timestamp, content)}"
    try:
        request = urllib.request.Request(url, content, headers, method="POST")
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=_TIMEOUT):
            return None
    except urllib.error.HTTPError as err:
        err.close()
        return f"it answered {err.code}"
    except HTTPException:
        return "what it answered is no HTTP"
    except (OSError, ValueError) as err:
        reason = getattr(err, "reason", err)
        if isinstance(reason, TimeoutError):
            return "it did not answer in time"
        return str(getattr(reason, "strerror", None) or type(reason).__name__)
