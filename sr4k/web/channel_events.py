"""Tells when live channels go down and come up, for those who follow and those who are to be told."""

import threading
from typing import Any, Self

from sr4k.queue.going_on import GoingOn
from sr4k.queue.job_queue import Queue
from sr4k.service.channel_desk import Channels

_LOOK = 1.0
"""Seconds between two looks."""


class ChannelFollower:
    """Notes changes in the queue's events, in a thread of its own, while the context is open."""

    def __init__(self, queue: Queue, channels: Channels) -> None:
        self._queue, self._channels = queue, channels
        self._known: dict[str, str] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sr4k-channel-events", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        steady = GoingOn("What happens to channels", self._ending.wait)
        while not self._ending.wait(_LOOK):
            with steady.round():
                self.look()

    def look(self) -> None:
        """Note what has changed since the last look.

        A channel that has not been live yet is not down, nor is one that has ended without an error: it was asked to,
        as by the end of the service, or its source is over.
        """
        for channel in self._channels.overview():
            if channel["phase"] == "ended" and not channel.get("error"):
                continue
            name, before = channel["name"], self._known.get(channel["name"])
            state = "stopped" if channel["phase"] == "stopped" else "up" if channel["ready"] else "down"
            if state == before or (state == "down" and before is None):
                continue
            self._known[name] = state
            self._queue.tell_channel(name, state=state, reason=_reason(channel) if state == "down" else "")


def _reason(channel: dict[str, Any]) -> str:
    """Return why a channel is down, in words: its error, or the first of its ends that is not live."""
    ends = [channel.get("in"), *(channel.get("out") or [])]
    reasons = [str(end["reason"]) for end in ends if end and end.get("reason")]
    return str(channel.get("error") or next(iter(reasons), ""))
