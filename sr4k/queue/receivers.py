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
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
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
"""Seconds for a post, and for Apprise to tell those behind an address; the start of the process is among them."""

_WAITS = 1.0, 5.0, 25.0
"""Seconds before each further try."""


class Receiver(Protocol):
    """Whoever is told.

    Attributes:
        name: for the log, without what may be secret.
        key: distinguishes receivers in the queue's file; a hash.
        waits: seconds before each further try; after them, news is given up.
    """

    @property
    def waits(self) -> tuple[float, ...]: ...

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
    """An address that JSON is posted to; see `Receiver`.

    Attributes:
        secret: key of the signature, left out without one.
        number: among the webhooks at this host and port; ``None``: there is no other.
    """

    waits: ClassVar[tuple[float, ...]] = _WAITS

    url: str = field(repr=False)
    secret: str | None = field(repr=False)
    number: int | None = None

    @property
    def name(self) -> str:
        return f"{'The webhook' if self.number is None else f'Webhook {self.number}'} at {_host(self.url)}"

    @cached_property
    def key(self) -> str:
        return _hashed(self.url)

    def tell(self, news: dict[str, Any], is_over: Callable[[], bool]) -> str | None:
        return _told(_posted, self.url, json.dumps(news), self.secret, seconds=_WHOLE, is_over=is_over)


@dataclass(frozen=True)
class Notified:
    """Those whom Apprise reaches by one address; see `Receiver`.

    Attributes:
        number: of the address in the environment variable.
        waits: empty where it stands for several, of whom some may have been reached by a try that failed.
    """

    address: str = field(repr=False)
    number: int
    waits: tuple[float, ...]

    @property
    def name(self) -> str:
        return f"Address {self.number} of {APPRISE}"

    @cached_property
    def key(self) -> str:
        return _hashed(self.address)

    def tell(self, news: dict[str, Any], is_over: Callable[[], bool]) -> str | None:
        return _told(_notified, self.address, in_words(news), seconds=_APPRISE, is_over=is_over)


def receivers_of(environment: Mapping[str, str]) -> tuple[Receiver, ...]:
    """Return those that environment variables name; see `VARIABLES`.

    Raises:
        OptionError: an address is none of HTTP, or none that Apprise knows, or Apprise is missing.
    """
    webhooks, apprise = (tuple(environment.get(name, "").split()) for name in (WEBHOOKS, APPRISE))
    if not all(map(_is_address, webhooks)):
        raise OptionError(f"{WEBHOOKS} has an address that is not one of http:// or https://.")
    if apprise and find_spec("apprise") is None:
        raise OptionError(f"{APPRISE} needs Apprise: pip install 'sr4k-stream[notify]' brings it.")
    return *_webhooks(webhooks, environment.get(SECRET) or None), *(_by_apprise(apprise) if apprise else ())


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


def _webhooks(urls: Sequence[str], secret: str | None) -> Iterator[Webhook]:
    hosts, seen = Counter(map(_host, urls)), Counter[str]()
    for url in urls:
        seen[_host(url)] += 1
        yield Webhook(url, secret, seen[_host(url)] if hosts[_host(url)] > 1 else None)


def _host(url: str) -> str:
    """Return host and port of an address, without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _by_apprise(addresses: tuple[str, ...]) -> Iterator[Notified]:
    found: list[int | None] = [0] * len(addresses)
    with suppress(MachineError):  # this machine can't tell in time: what the log says of the first news will
        found = in_child(_recipients, addresses, seconds=_APPRISE)
    if None in found:
        where = f"number {found.index(None) + 1} of {len(addresses)}"
        raise OptionError(f"{APPRISE} has an address that Apprise doesn't know: {where}.")
    for number, (address, count) in enumerate(zip(addresses, found, strict=True), 1):
        yield Notified(address, number, _WAITS if count == 1 else ())


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
        if isinstance(reason, TimeoutError):
            return "it did not answer in time"
        return str(getattr(reason, "strerror", None) or type(reason).__name__)


def _recipients(addresses: Sequence[str]) -> list[int | None]:
    """Return how many each address stands for; ``None``: it is none that Apprise knows."""
    logging.disable()
    return [None if (to := _opened(address)) is None else sum(map(len, to)) for address in addresses]


def _opened(address: str) -> Any:
    import apprise  # an extra, and slow to import

    to = apprise.Apprise()
    return to if to.add(address) else None


def _notified(address: str, text: str) -> str | None:
    """Tell people; return why that failed: not in the words of others, which may hold an address."""
    logging.disable()
    try:
        if (to := _opened(address)) is None:
            return "Apprise doesn't know it"
        return None if to.notify(title="sr4k-stream", body=text) else "Apprise could not reach everybody behind it"
    except Exception as err:  # of a library that talks to a hundred services
        return type(err).__name__
