"""What the live channels did: figures of the last hour and of the last day, and lines of their logs."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, Self, get_args

from sr4k.common.logs import with_channel
from sr4k.service.channel_status import ChannelMonitor, ChannelStatus
from sr4k.service.redaction import Redaction

Span = Literal["hour", "day"]
"""Which time figures are of."""

SPANS: Final = get_args(Span)

_EVERY = 10.0
"""Seconds between two figures of the last hour."""

_KEPT = 360
"""Figures that are kept of each channel and each time: an hour, and a day."""

_MERGED = 24
"""Figures of the last hour that make one of the last day: four minutes."""

_LINES = 200
"""Lines of the log that are kept of each channel."""


class ChannelHistory:
    """Notes figures and lines of logs, in a thread of its own, while the context is open.

    Its memory does not grow with time. A channel that is stopped keeps its history; one that is removed does not.

    Args:
        monitors: monitors of the present channels; the list may change.
        names: returns the names of all channels, also of those that were stopped.
        redaction: hides secrets in lines of logs.
    """

    def __init__(
        self, monitors: Sequence[ChannelMonitor], names: Callable[[], frozenset[str]], redaction: Redaction
    ) -> None:
        self._monitors, self._names, self._redaction = monitors, names, redaction
        self._of: dict[str, _OfChannel] = {}
        self._lines = _Lines(self)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sr4k-history", daemon=True)

    def __enter__(self) -> Self:
        logging.getLogger("sr4k").addHandler(self._lines)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        self._thread.join()
        logging.getLogger("sr4k").removeHandler(self._lines)

    def _run(self) -> None:
        while not self._ending.is_set():
            self.note()
            self._ending.wait(_EVERY)

    def note(self) -> None:
        """Note the present figures of all channels, and forget channels that are gone."""
        names = self._names()
        for name in self._of.keys() - names:
            del self._of[name]
        for monitor in list(self._monitors):
            if monitor.status.name in names:
                self._kept(monitor.status.name).note(_figures(monitor.status))

    def of(self, name: str, span: Span) -> dict[str, Any]:
        """Return figures and lines of a channel, the oldest first; of an unknown one there are none.

        A figure is a mapping with ``at``, a Unix time. Figures of the last day are means of four minutes, except for
        counts, which are the last ones.
        """
        kept = self._of.get(name)
        return {"figures": [], "log": []} if kept is None else {"figures": kept.figures(span), "log": list(kept.lines)}

    def keep_line(self, name: str, record: logging.LogRecord) -> None:
        """Keep a line of a channel's log, without secrets."""
        text = self._redaction.text(record.getMessage())
        line = {"at": record.created, "level": record.levelname.lower(), "text": text}
        if (event := getattr(record, "event", None)) is not None:
            line["event"] = str(event)
        self._kept(name).lines.append(line)

    def _kept(self, name: str) -> "_OfChannel":
        return self._of.setdefault(name, _OfChannel())


class _OfChannel:
    """What is kept of one channel."""

    def __init__(self) -> None:
        self._hour: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._day: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._unmerged: list[dict[str, Any]] = []
        self.lines: deque[dict[str, Any]] = deque(maxlen=_LINES)

    def note(self, figures: dict[str, Any]) -> None:
        self._hour.append(figures)
        self._unmerged.append(figures)
        if len(self._unmerged) == _MERGED:
            self._day.append(_merged(self._unmerged))
            self._unmerged.clear()

    def figures(self, span: Span) -> list[dict[str, Any]]:
        if span == "hour":
            return list(self._hour)
        return [*self._day, *([_merged(list(self._unmerged))] if self._unmerged else [])]


class _Lines(logging.Handler):
    """Keeps the lines that channels log."""

    def __init__(self, history: ChannelHistory) -> None:
        super().__init__(logging.INFO)
        self._history = history
        self.addFilter(with_channel)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, if a channel wrote it."""
        name = getattr(record, "channel", None)
        if isinstance(name, str):
            self._history.keep_line(name, record)


def _figures(status: ChannelStatus) -> dict[str, Any]:
    told: dict[str, Any] = {"at": time.time(), "ready": float(status.ready)}
    if status.graph is not None:
        intake, playout = status.graph.intake, status.graph.playout
        told |= {
            "fps": intake.fps,
            "fps_out": playout.fps,
            "bits_in": intake.bitrate,
            "bits_out": sum((target.bitrate for target in playout.targets), 0.0),
            "rung": float(intake.rung),
            "dropped": sum(intake.dropped.values()),
            "latency": None if playout.latency is None else playout.latency["median"],
            "av_offset_ms": playout.av_offset_ms,
        }
    return told


def _merged(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one figure in place of several: means of measurements, the last one of what is counted."""
    found: dict[str, Any] = {}
    for key in {key: None for each in figures for key in each}:
        values = [each[key] for each in figures if each.get(key) is not None]
        is_mean = bool(values) and all(isinstance(value, float) for value in values) and key != "at"
        found[key] = sum(values) / len(values) if is_mean else values[-1] if values else None
    return found
