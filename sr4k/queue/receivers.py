"""Who is told of news, and how: webhooks get JSON that is signed; Apprise, an extra, knows how to reach people.

Each telling runs in a process of its own, which is killed when it takes too long or the service ends: a receiver may
answer as slowly as it likes.
"""

import hashlib
import hmac
import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from importlib.util import find_spec
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

from sr4k.common.basic_auth import basic_authorization
from sr4k.errors import MachineError, OptionError
from sr4k.queue.errand import in_child

WEBHOOKS, SECRET, APPRISE = VARIABLES = "SR4K_WEBHOOKS", "SR4K_WEBHOOK_SECRET", "SR4K_APPRISE"
"""Environment variables that hold addresses, with spaces between, and the key of webhooks' signatures."""

_TIMEOUT = 10.0
"""Seconds for which a webhook may say nothing."""

_WHOLE, _APPRISE = 20.0, 60.0
"""Seconds for a post, and for Apprise to tell everybody; the start of the process is among them."""


class Receiver(Protocol):
    """Whoever is told.

    Attributes:
        name: for the log, without what may be secret.
        key: distinguishes receivers in the queue's file; a hash.
        waits: seconds before each further try; after them, news is given up.
    """

    waits: ClassVar[tuple[float, ...]]

    @property
    def name(self) -> str: ...

    @property
    def key(self) -> str: ...

    def tell(self, news: dict[str, Any], is_over: Callable[[], bool]) -> str | None:
        """Tell it, and return why that failed, in words without what may be secret; ``None``: it didn't.

        Raises:
            StoppedError: ``is_over`` has returned true meanwhile.
        """


@dataclass(frozen=True)
class Webhook:
    """An address that JSON is posted to; see `Receiver`. ``secret``: key of the signature, left out without one."""

    waits: ClassVar[tuple[float, ...]] = (1.0, 5.0, 25.0)

    url: str = field(repr=False)
    secret: str | None = field(repr=False)

    @property
    def name(self) -> str:
        return f"The webhook at {urlsplit(self.url).hostname}"

    @cached_property
    def key(self) -> str:
        return _hashed(self.url)

    def tell(self, news: dict[str, Any], is_over: Callable[[], bool]) -> str | None:
        return _told(_posted, self.url, json.dumps(news), self.secret, seconds=_WHOLE, is_over=is_over)


@dataclass(frozen=True)
class People:
    """Those whom Apprise reaches, all together; see `Receiver`. They aren't told again: some may have been reached."""

    name: ClassVar[str] = "Apprise"
    waits: ClassVar[tuple[float, ...]] = ()

    addresses: tuple[str, ...] = field(repr=False)

    @cached_property
    def key(self) -> str:
        return _hashed(" ".join(self.addresses))

    def tell(self, news: dict[str, Any], is_over: Callable[[], bool]) -> str | None:
        return _told(_notified, self.addresses, in_words(news), seconds=_APPRISE, is_over=is_over)


def receivers_of(environment: Mapping[str, str]) -> tuple[Receiver, ...]:
    """Return those that environment variables name; see `VARIABLES`.

    Raises:
        OptionError: an address is none of HTTP, or Apprise is missing.
    """
    webhooks, apprise = (tuple(environment.get(name, "").split()) for name in (WEBHOOKS, APPRISE))
    if not all(map(_is_address, webhooks)):
        raise OptionError(f"{WEBHOOKS} has an address that is not one of http:// or https://.")
    if apprise and find_spec("apprise") is None:
        raise OptionError(f"{APPRISE} needs Apprise: pip install 'sr4k-stream[notify]' brings it.")
    posted = [Webhook(url, environment.get(SECRET) or None) for url in webhooks]
    return (*posted, People(apprise)) if apprise else (*posted,)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a webhook: the HMAC-SHA256 of ``TIMESTAMP.BODY``, as hexadecimal digits."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def in_words(news: dict[str, Any]) -> str:
    """Return news as a sentence."""
    if "job" in news:
        job = news["job"]
        end = f"failed: {job['error']}" if job["state"] == "failed" else "is done."
        return f"Job {job['id']}, {job['source']}, {end}"
    channel = news["channel"]
    reason = f": {channel['reason']}" if channel.get("reason") else "."
    return f"Channel {channel['name']} is {channel['state']}{reason}"


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _told(function: Callable[..., str | None], *args: Any, seconds: float, is_over: Callable[[], bool]) -> str | None:
    try:
        reason: str | None = in_child(function, *args, seconds=seconds, is_over=is_over)
    except MachineError as err:
        return str(err)
    return reason


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
        return str(getattr(reason, "strerror", None) or type(reason).__name__)


def _notified(addresses: tuple[str, ...], text: str) -> str | None:
    """Tell people; return why that failed: not in the words of others, which may hold an address."""
    logging.disable()
    try:
        import apprise  # an extra, and slow to import

        to = apprise.Apprise()
        if not all(map(to.add, addresses)):
            return f"{APPRISE} has an address that it doesn't know"
        return None if to.notify(title="sr4k-stream", body=text) else "it could not reach everybody"
    except Exception as err:  # of a library that talks to a hundred services
        return type(err).__name__
