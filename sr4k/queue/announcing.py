"""Tells receivers of jobs that are done or failed, and of channels that go down or come up.

Each receiver has a thread, so that none waits for another. What could not be delivered is tried again, also by the next
service, for as long as the queue knows of it.
"""

import json
import logging
import threading
from collections.abc import Sequence
from typing import Any, Self

from sr4k.errors import StoppedError
from sr4k.queue.going_on import GoingOn
from sr4k.queue.job_queue import NoSuchJob, Queue
from sr4k.queue.queued_job import Event
from sr4k.queue.receiver import Receiver

log = logging.getLogger(__name__)

_LOOK = 0.5
"""Seconds between two looks for news."""

_FACT = "told"


class Announcer:
    """Tells the receivers, in threads of its own, while the context is open."""

    def __init__(self, queue: Queue, receivers: Sequence[Receiver]) -> None:
        self._queue, self._receivers = queue, receivers
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        told = _Told(self._queue, self._receivers)  # not in the threads, which may begin when something has happened
        for receiver in self._receivers:
            thread = threading.Thread(target=self._run, args=(receiver, told), name="sr4k-announce", daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _run(self, receiver: Receiver, told: "_Told") -> None:
        steady = GoingOn("Notices", self._ending.wait)
        while not self._ending.is_set():
            with steady.round():
                self._follow(receiver, told)

    def _follow(self, receiver: Receiver, told: "_Told") -> None:
        told.keep()
        while not self._ending.wait(_LOOK):
            for event in self._queue.events(told.until(receiver)):
                news = self._news(event)
                if news is not None and not self._tell(receiver, news):
                    break
                told.note(receiver, event)
            told.keep()

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

    def _tell(self, receiver: Receiver, news: dict[str, Any]) -> bool:
        """Tell a receiver; whether that is over, and was not interrupted by the end of the service."""
        waits = iter(receiver.waits)
        try:
            while (reason := receiver.tell(news, self._ending.is_set)) is not None:
                if (wait := next(waits, None)) is None:
                    log.warning("%s was not told of %s: %s.", receiver.name, _subject(news), reason.rstrip("."))
                    break
                if self._ending.wait(wait):
                    return False
        except StoppedError:
            return False
        return True


class _Told:
    """Numbers of the last events that are over for each receiver; the queue's file keeps them for the next service."""

    def __init__(self, queue: Queue, receivers: Sequence[Receiver]) -> None:
        self._queue, self._lock = queue, threading.Lock()
        kept, latest = json.loads(queue.fact(_FACT) or "{}"), queue.latest  # nothing of before a receiver came is news
        self._until: dict[str, int] = {each.key: kept.get(each.key, latest) for each in receivers}
        self._kept = ""

    def until(self, receiver: Receiver) -> int:
        """Return the number of the last event."""
        return self._until[receiver.key]

    def note(self, receiver: Receiver, event: Event) -> None:
        """Note that an event is over."""
        self._until[receiver.key] = event.id

    def keep(self) -> None:
        """Keep what was noted."""
        with self._lock:
            numbers = json.dumps(self._until)
            if numbers != self._kept:
                self._queue.keep_fact(_FACT, numbers)
                self._kept = numbers


def _subject(news: dict[str, Any]) -> str:
    of = f"job {news['job']['id']}" if "job" in news else f"channel {news['channel']['name']}"
    return f"{news['event']} of {of}"
