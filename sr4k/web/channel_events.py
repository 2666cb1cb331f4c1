"""Tells when live channels go down and come up, for those who follow and those who are to be told."""

import threading
from typing import Self

from sr4k.web.web_service import WebService

_LOOK = 1.0
"""Seconds between two looks."""


class ChannelFollower:
    """Notes changes in the queue's events, in a thread of its own, while the context is open."""

    def __init__(self, service: WebService) -> None:
        self._service = service
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
        while not self._ending.wait(_LOOK):
            self.look()

    def look(self) -> None:
        """Note what has changed since the last look. A channel that has not been live yet is not down."""
        service, monitors = self._service, self._service.monitors()
        for name in service.channel_names():
            status = monitors[name].status if name in monitors else None
            state = "stopped" if status is None else "up" if status.ready else "down"
            before = self._known.get(name)
            if state == before or (state == "down" and before is None):
                continue
            self._known[name] = state
            reason = "" if status is None or state == "up" else _reason(status.as_dict())
            service.queue.tell_channel(name, state=state, reason=service.redaction.text(reason))


def _reason(health: dict[str, object]) -> str:
    """Return why a channel is down, in words: its error, or the first of its ends that is not live."""
    ends = [health.get("in"), *(health.get("out") or [])]  # type: ignore[misc]
    reasons = [str(end["reason"]) for end in ends if isinstance(end, dict) and end.get("reason")]
    return str(health.get("error") or next(iter(reasons), ""))
