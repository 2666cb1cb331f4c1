"""Sets up logging: hands the records of all processes to the loggers of the main one, and formats them."""

import json
import logging
import logging.handlers
import pickle
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from sr4k.common.printable import printable

LogFormat = Literal["text", "json"]

FIELDS = ("event", "source", "target", "reason", "delay", "tries")
"""Attributes that a record may have besides its message (``extra``), for programs that read logs."""

_LONGEST = 8192
"""Characters to which messages of other processes are cut."""

_BUFFER = 1 << 17
"""Bytes of the largest pickled record that is received whole."""

_LEAVING = 1.0
"""Seconds to wait for other processes to close their ends, and for a line that is being written."""

_channel: ContextVar[str | None] = ContextVar("channel", default=None)


@contextmanager
def collected_logs(handler: logging.Handler, level: int) -> Iterator[None]:
    """Send every record of this process, and Python's warnings, to ``handler``; restore the root logger afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    handler.addFilter(with_channel)
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        handler.removeFilter(with_channel)


@contextmanager
def of_channel(name: str) -> Iterator[None]:
    """Add the name of a channel to the records of this thread, and to those that arrive through its `log_wire`."""
    token = _channel.set(name)
    try:
        yield
    finally:
        _channel.reset(token)


@contextmanager
def log_wire() -> Iterator["LogWire"]:
    """Hand the records of other processes to the loggers of this one that have the same names.

    To their handlers it is as if this thread had logged them. No handler and no level is changed.

    Yields:
        The wire, to be called first in each of these processes.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gate = LogGate()
    reader = threading.Thread(target=copy_context().run, args=(_read, ours, gate), name="sr4k-log", daemon=True)
    reader.start()
    try:
        yield LogWire(theirs, _levels())
    finally:
        theirs.close()
        reader.join(_LEAVING)  # until the last process has let go of its end
        gate.close()


class LogGate:
    """Lets a thread that reads what others tell log it, until it is closed.

    Handlers may be removed after that, and with them what hides secrets.
    """

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._is_closed = False

    def log(self, write: Callable[[], object]) -> None:
        """Call ``write``, unless the gate is closed."""
        with self._writing:
            if not self._is_closed:
                write()

    def close(self) -> None:
        """Close the gate, after what is being written; a terminal that takes nothing is waited for briefly."""
        has_waited = self._writing.acquire(timeout=_LEAVING)
        self._is_closed = True
        if has_waited:
            self._writing.release()


@contextmanager
def without_repeats(told: Collection[str]) -> Iterator[None]:
    """Keep messages that were logged before from being logged again inside. ``told``: these messages."""

    def is_new(record: logging.LogRecord) -> bool:
        return record.getMessage() not in told

    handlers = logging.getLogger().handlers[:]
    for handler in handlers:
        handler.addFilter(is_new)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(is_new)


class LogWire:
    """Sends log records from another process to this one, through a socket with one record per message, without locks.

    A process that is killed while it holds a queue's lock would silence all others. To `logging.handlers.QueueHandler`
    this is a queue.
    """

    def __init__(self, end: socket.socket, levels: dict[str, int]) -> None:
        self._end, self._levels = end, levels

    def __call__(self) -> None:
        """Send the records of this process, and Python's warnings, through the wire."""
        logging.getLogger().handlers[:] = [logging.handlers.QueueHandler(self)]  # type: ignore[arg-type]
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        logging.captureWarnings(True)

    def put_nowait(self, record: logging.LogRecord) -> None:
        """Send a record, or drop it if the socket is full: logging must never block a worker."""
        if isinstance(record.msg, str) and len(record.msg) > _LONGEST:
            record.msg = record.message = f"{record.msg[:_LONGEST]} …"
        if record.exc_text:
            record.exc_text = record.exc_text[:_LONGEST]
        with suppress(OSError):
            self._end.send(pickle.dumps(record), socket.MSG_DONTWAIT)


class TextLines(logging.Formatter):
    """Formats a record as level, channel (if any) and message. ``timed``: the time (ISO 8601, UTC) before them."""

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
    """Formats a record as one line of JSON: time (ISO 8601, UTC), level, logger, channel, `FIELDS`, message, traceback.

    Attributes that a record lacks are left out, and so are all others, which libraries may set to anything.
    """

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "channel": getattr(record, "channel", None),
            **{name: getattr(record, name, None) for name in FIELDS},
            "message": record.getMessage(),
            "exception": record.exc_text or (self.formatException(record.exc_info) if record.exc_info else None),
        }
        known = {key: value for key, value in fields.items() if value is not None}
        return printable(json.dumps(known, ensure_ascii=False))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _levels() -> dict[str, int]:
    """Return the levels that are set in this process, by name of the logger."""
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.copy().values()]
    return {each.name: each.level for each in loggers if isinstance(each, logging.Logger) and each.level}


def _read(end: socket.socket, gate: LogGate) -> None:
    """Handle the records that arrive through a wire until all its other ends are closed."""
    with end:
        while message := end.recv(_BUFFER):
            with suppress(Exception):  # one bad record must not stop the others
                gate.log(partial(_write, pickle.loads(message)))


def _write(record: logging.LogRecord) -> None:
    """Write a record at once: an unbounded queue would grow if records came faster than they can be written."""
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


def with_channel(record: logging.LogRecord) -> bool:
    """Set ``channel`` of a record to the name that `of_channel` set, if any; as a filter: always True."""
    if (name := _channel.get()) is not None:
        record.channel = name
    return True
