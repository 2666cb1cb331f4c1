"""Logging set-up: the records of all processes come together in the main one, and how they are written."""

import json
import logging
import pickle
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

from sr4k.common.printable import printable

LogFormat = Literal["text", "json"]

FIELDS = ("event", "source", "target", "reason", "delay", "tries")
"""What a record may bear beside its message (``extra``), for programs that read logs."""

_LONGEST = 8192
"""Characters of a record's message on its way to this process."""

_ROOM = 1 << 17
"""Bytes: of the longest record on its way."""

_LEAVING = 1.0
"""Seconds that processes get to let go of their end."""

_channel: ContextVar[str | None] = ContextVar("channel", default=None)


@contextmanager
def collected_logs(handler: logging.Handler, level: int) -> Iterator["LogWire"]:
    """Send every record of this process to ``handler``, and give what other processes send theirs through.

    Warnings of Python's own become records as well. The root logger is as it was afterwards.
    """
    root = logging.getLogger()
    before = root.handlers[:], root.level
    handler.addFilter(_with_channel)
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    try:
        with of_channel(None) as wire:
            yield wire
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        handler.removeFilter(_with_channel)


@contextmanager
def of_channel(name: str | None) -> Iterator["LogWire"]:
    """Records of this thread, and those sent through what this gives, bear the name of a channel.

    That is for ``log_queue`` of `sr4k.pipeline.run_graph`.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader = threading.Thread(target=_read, args=(ours, name), name="sr4k-log", daemon=True)
    reader.start()
    token = _channel.set(name)
    try:
        yield LogWire(theirs)
    finally:
        _channel.reset(token)
        theirs.close()
        reader.join(_LEAVING)  # until the last process has let go of its end


class LogWire:
    """A way for log records from other processes, to be handed to them: a socket, one record a message, no locks.

    Processes may be killed at any moment, and a queue's lock would stay with the dead, to the silence of all others.
    To `logging.handlers.QueueHandler` it is a queue.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def put_nowait(self, record: logging.LogRecord) -> None:
        """Send a record. It is lost where there is no room: log lines must never keep a worker from its work."""
        if isinstance(record.msg, str) and len(record.msg) > _LONGEST:
            record.msg = record.message = f"{record.msg[:_LONGEST]} …"
        if record.exc_text:
            record.exc_text = record.exc_text[:_LONGEST]
        with suppress(OSError):
            self._end.send(pickle.dumps(record), socket.MSG_DONTWAIT)

    def cancel_join_thread(self) -> None:
        """What a queue has: nothing is held back here."""


class TextLines(logging.Formatter):
    """Level, channel if there is one, and message; ``timed``: the time before them (ISO 8601, UTC)."""

    def __init__(self, *, timed: bool = False) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s" if timed else "%(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802, ARG002
        return _time(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        channel = getattr(record, "channel", None)
        if channel is not None:
            record.message = f"{channel}: {record.message}"
        record.message = printable(record.message, keep="\n\t" if record.levelname == "DEBUG" else "")
        return super().formatMessage(record)


class JsonLines(logging.Formatter):
    """One JSON object a line: time (ISO 8601, UTC), level, logger, channel, `FIELDS`, message, an exception's trace.

    Those that a record does not have are left out. Nothing else: what libraries hang on their records may be anything.
    """

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "channel": getattr(record, "channel", None),
            **{name: getattr(record, name, None) for name in FIELDS},
            "message": record.getMessage(),
            "exception": record.exc_text or (self.formatException(record.exc_info) if record.exc_info else None),
        }
        known = {key: value for key, value in told.items() if value is not None}
        return printable(json.dumps(known, ensure_ascii=False))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read(end: socket.socket, channel: str | None) -> None:
    """Take records out of a wire until all its other ends are closed."""
    with end:
        while message := end.recv(_ROOM):
            with suppress(Exception):  # whatever one record is, others follow
                record = pickle.loads(message)
                record.channel = channel
                _write(record)


def _write(record: logging.LogRecord) -> None:
    """Here and now, by no queue that has no end: who logs faster than that loses records."""
    for handler in logging.getLogger().handlers:
        handler.handle(record)


def _with_channel(record: logging.LogRecord) -> bool:
    if (name := _channel.get()) is not None:
        record.channel = name
    return True
