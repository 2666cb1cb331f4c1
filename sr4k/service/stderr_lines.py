"""Turn lines that crashing processes, the interpreter or C libraries write to stderr into log records."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from sr4k.common.logs import LogGate

log = logging.getLogger(__name__)

_STDERR = 2

_LEAVING = 1.0
"""Seconds that processes get to close their end of the pipe."""

_LONGEST = 8192
"""Maximum bytes of a line; a longer one is split."""


@contextmanager
def stray_lines() -> Iterator[Callable[[], None]]:
    """Context in which each line written to file descriptor 2, here or in a child, becomes a log record.

    So a JSON log contains nothing but JSON, and secrets are removed from such lines as well. ``sys.stderr`` of this
    process still writes to the original stderr. If it has been replaced already, nothing is done.

    Yields:
        Gives file descriptor 2 back, and returns when all lines written so far are records. It has to be called
        before the log handlers are removed; lines that processes write later are dropped.
    """
    if not _is_original():
        yield lambda: None
        return
    sys.stderr.flush()
    before = sys.stderr
    readable, writable = os.pipe()
    lines = _Lines(readable)
    real = os.dup(_STDERR)
    os.dup2(writable, _STDERR)
    os.close(writable)
    true = os.fdopen(real, "w", buffering=1, encoding=before.encoding, errors="backslashreplace")

    def give_back() -> None:
        before.flush()
        os.dup2(real, _STDERR)
        lines.finish()

    sys.stderr = true
    try:
        yield give_back
    finally:
        give_back()
        sys.stderr = before
        with suppress(OSError):  # the terminal may be gone
            true.close()


def _is_original() -> bool:
    try:
        return sys.stderr.fileno() == _STDERR
    except (AttributeError, OSError, ValueError):
        return False


class _Lines:
    """Log the lines of a pipe, from a thread of its own."""

    def __init__(self, readable: int) -> None:
        self._gate, self._is_finished = LogGate(), False
        self._thread = threading.Thread(target=self._read, args=(readable,), name="sr4k-stderr", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until the last process has closed its end of the pipe, at most `_LEAVING`; log nothing after that."""
        if not self._is_finished:
            self._is_finished = True
            self._thread.join(_LEAVING)
            self._gate.close()

    def _read(self, readable: int) -> None:
        with os.fdopen(readable, "rb") as lines:
            rest = b""
            while line := rest + lines.readline(_LONGEST):
                line, rest = _cut(line)
                text = line.decode(errors="backslashreplace").rstrip()
                if text:
                    self._gate.log(partial(log.warning, "%s", text, extra={"event": "stderr"}))


def _cut(line: bytes) -> tuple[bytes, bytes]:
    """Split a line that is too long after its last space: a secret that is cut in two would not be recognised."""
    if line.endswith(b"\n") or len(line) < _LONGEST:
        return line, b""
    head, space, tail = line.rpartition(b" ")
    return (head, tail) if space else (line, b"")
