"""What the live channels did within the last hour: figures at regular times, and lines of their logs."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sr4k.common.logs import with_channel
from sr4k.service.channel_status import ChannelStatus
from sr4k.web.web_service import WebService

_EVERY = 10.0
"""Seconds between two figures."""

_KEPT = 360
"""Figures that are kept of each channel: an hour."""

_LINES = 200
"""Lines of the log that are kept of each channel."""


class ChannelHistory:
    """The last hour of each channel. Its memory does not grow with time."""

    def __init__(self, service: WebService) -> None:
        self._service = service
        self._figures: dict[str, deque[dict[str, Any]]] = {}
        self._lines: dict[str, deque[dict[str, Any]]] = {}

    async def note_for_ever(self) -> None:
        """Note figures until it is cancelled."""
        while True:
            self.note()
            await asyncio.sleep(_EVERY)

    def note(self) -> None:
        """Note the present figures of all channels, and forget channels that are gone."""
        present = self._service.monitors()
        for name in self._figures.keys() - present.keys():
            del self._figures[name]
            self._lines.pop(name, None)
        for name, monitor in present.items():
            self._figures.setdefault(name, deque(maxlen=_KEPT)).append(_figures(monitor.status))

    def of(self, name: str) -> dict[str, Any]:
        """Return figures and lines of a channel, the oldest first; of an unknown one there are none."""
        return {"figures": list(self._figures.get(name, ())), "log": list(self._lines.get(name, ()))}

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Keep lines of the channels' logs while the context is open."""
        handler = _Lines(self._lines, self._service)
        logger = logging.getLogger("sr4k")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)


class _Lines(logging.Handler):
    """Keeps the last lines of each channel, without secrets."""

    def __init__(self, lines: dict[str, deque[dict[str, Any]]], service: WebService) -> None:
        super().__init__(logging.INFO)
        self._lines, self._service = lines, service
        self.addFilter(with_channel)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, if a channel wrote it."""
        name = getattr(record, "channel", None)
        if isinstance(name, str) and name in self._service.monitors():
            text = self._service.redaction.text(record.getMessage())
            line = {"at": record.created, "level": record.levelname.lower(), "text": text}
            self._lines.setdefault(name, deque(maxlen=_LINES)).append(line)


def _figures(status: ChannelStatus) -> dict[str, Any]:
    told: dict[str, Any] = {"at": time.time(), "ready": status.ready}
    if status.graph is not None:
        intake, playout = status.graph.intake, status.graph.playout
        told |= {
            "fps": intake.fps,
            "rung": intake.rung,
            "dropped": sum(intake.dropped.values()),
            "latency": None if playout.latency is None else playout.latency["median"],
            "av_offset_ms": playout.av_offset_ms,
        }
    return told
