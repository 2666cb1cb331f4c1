"""Tells other services of jobs that are done or failed, and of channels that go down or come up.

Webhooks get JSON that is signed; Apprise, an extra, knows how to reach people. What could not be delivered is tried
again, also by the next service, for as long as the queue knows of it.
"""

import hashlib
import hmac
import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from sr4k.errors import OptionError
from sr4k.queue.going_on import GoingOn
from sr4k.queue.job_queue import NoSuchJob, Queue
from sr4k.queue.queued_job import Event

log = logging.getLogger(__name__)

_LOOK = 0.5
"""Seconds between two looks for news."""

_WAITS = 1.0, 5.0, 25.0
"""Seconds before each further try; then the news is given up."""

_TIMEOUT = 10.0
_FACT = "announced"

WEBHOOKS, SECRET, APPRISE = "SR4K_WEBHOOKS", "SR4K_WEBHOOK_SECRET", "SR4K_APPRISE"


@dataclass(frozen=True, kw_only=True)
class Receivers:
    """Who is to be told.

    Attributes:
        webhooks: addresses that JSON is posted to.
        secret: key of the signature, which is left out without one.
        apprise: addresses in the form of Apprise.
    """

    VARIABLES: ClassVar[tuple[str, ...]] = (WEBHOOKS, SECRET, APPRISE)

    webhooks: tuple[str, ...] = field(default=(), repr=False)
    secret: str | None = field(default=None, repr=False)
    apprise: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return those that environment variables name, which hold addresses with spaces between.

        Raises:
            OptionError: an address is none of HTTP, or Apprise is missing.
        """
        webhooks, apprise = (tuple(environment.get(name, "").split()) for name in (WEBHOOKS, APPRISE))
        for url in webhooks:
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
                raise OptionError(f"{WEBHOOKS} has an address that is not one of http:// or https://.")
        if apprise and find_spec("apprise") is None:
            raise OptionError(f"{APPRISE} needs Apprise: pip install 'sr4k-stream[notify]' brings it.")
        return cls(webhooks=webhooks, secret=environment.get(SECRET) or None, apprise=apprise)


class Announcer:
    """Tells the receivers, in a thread of its own, while the context is open."""

    def __init__(self, queue: Queue, receivers: Receivers) -> None:
        self._queue, self._receivers = queue, receivers
        self._before = 0  # number of the last event of before
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sr4k-announce", daemon=True)

    def __enter__(self) -> Self:
        if self._receivers.webhooks or self._receivers.apprise:
            self._before = self._queue.latest  # not in the thread, which may begin when something has happened
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        steady = GoingOn("Notices", self._ending.wait)
        while not self._ending.is_set():
            with steady.round():
                self._follow()

    def _follow(self) -> None:
        told = self._queue.fact(_FACT)
        if told is None:  # nothing of before the first service is news
            told = str(self._before)
            self._queue.keep_fact(_FACT, told)
        known = int(told)
        while not self._ending.wait(_LOOK):
            for event in self._queue.events(known):
                news = self._news(event)
                if news is not None and not self._tell(news):
                    break
                known = event.id
            if str(known) != told:
                self._queue.keep_fact(_FACT, str(known))
                told = str(known)

    def _news(self, event: Event) -> dict[str, Any] | None:
        """Return what is to be told of an event; ``None``: nothing."""
        if event.kind == "channel":
            kind = f"channel.{event.data.get('state')}"
            return {"id": event.id, "at": event.at, "event": kind, "channel": event.data}
        if event.kind != "changed" or event.job is None or event.data.get("state") not in ("done", "failed"):
            return None
        try:
            job = self._queue.get(event.job)
        except NoSuchJob:
            return None
        if job.state != event.data["state"] or job.decision != "undecided":
            return None
        told = job.model_dump(include={"id", "source", "target", "state", "error", "result", "started", "ended"})
        return {"id": event.id, "at": event.at, "event": f"job.{job.state}", "job": told}

    def _tell(self, news: dict[str, Any]) -> bool:
        """Tell all receivers; whether that is over, and was not interrupted by the end of the service."""
        body = json.dumps(news).encode()
        for url in self._receivers.webhooks:
            waits = iter(_WAITS)
            while (reason := _posted(url, body, self._receivers.secret)) is not None:
                if (wait := next(waits, None)) is None:
                    host = urlsplit(url).hostname
                    log.warning("The webhook at %s was not told of %s: %s", host, news["event"], reason)
                    break
                if self._ending.wait(wait):
                    return False
        if self._receivers.apprise:
            try:
                _notified(self._receivers.apprise, news)
            except Exception as err:  # of a library that talks to a hundred services; its words may hold an address
                log.warning("Apprise could not tell of %s: %s", news["event"], type(err).__name__)
        return True


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a webhook: the HMAC-SHA256 of ``TIMESTAMP.BODY``, as hexadecimal digits."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def _posted(url: str, body: bytes, secret: str | None) -> str | None:
    """Post JSON; return why that failed, without the address, which may hold a secret; ``None``: it did not."""
    timestamp = str(int(time.time()))
    headers = {"Content-Type": "application/json", "X-Sr4k-Timestamp": timestamp}
    if secret is not None:
        headers["X-Sr4k-Signature"] = f"sha256={signature(secret, timestamp, body)}"
    try:
        request = urllib.request.Request(url, body, headers, method="POST")
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=_TIMEOUT):
            return None
    except urllib.error.HTTPError as err:
        err.close()
        return f"it answered {err.code}"
    except (OSError, ValueError) as err:
        reason = getattr(err, "reason", err)
        return str(getattr(reason, "strerror", None) or type(reason).__name__)


def _notified(urls: tuple[str, ...], news: dict[str, Any]) -> None:
    import apprise  # an extra, and slow to import

    to = apprise.Apprise()
    for url in urls:
        if not to.add(url):
            log.warning("%s has an address that Apprise doesn't know.", APPRISE)
    if not to.notify(title="sr4k-stream", body=in_words(news)):
        log.warning("Apprise could not tell of %s.", news["event"])


def in_words(news: dict[str, Any]) -> str:
    """Return news as a sentence."""
    if "job" in news:
        job = news["job"]
        end = f"failed: {job['error']}" if job["state"] == "failed" else "is done."
        return f"Job {job['id']}, {job['source']}, {end}"
    channel = news["channel"]
    reason = f": {channel['reason']}" if channel.get("reason") else "."
    return f"Channel {channel['name']} is {channel['state']}{reason}"
