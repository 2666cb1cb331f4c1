"""Turn lines that crashing processes, the interpreter or C libraries write to stderr into log records."""

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

log = logging.getLogger(__name__)

_STDERR = 2

_LEAVING = 1.0
"""Seconds that processes get to close their end of the pipe."""

_LONGEST = 8192
"""Maximum bytes of a line; a longer one is split."""


@contextmanager
def stray_lines() -> Iterator[None]:
    """Context in which each line written to file descriptor 2, here or in a child, becomes a log record.

    So a JSON log contains nothing but JSON, and secrets are removed from such lines as well. ``sys.stderr`` of this
    process still writes to the original stderr. If it has been replaced already, nothing is done.
    """
    if not _is_original():
        yield
        return
    sys.stderr.flush()
    before = sys.stderr
    readable, writable = os.pipe()
    real = os.dup(_STDERR)
    os.dup2(writable, _STDERR)
    os.close(writable)
    reader = threading.Thread(target=_read, args=(readable,), name="sr4k-stderr", daemon=True)
    reader.start()
    true = os.fdopen(real, "w", buffering=1, encoding=before.encoding, errors="backslashreplace")
    sys.stderr = true
    try:
        yield
    finally:
        before.flush()
        os.dup2(real, _STDERR)
        reader.join(_LEAVING)  # until the last process has closed its end
        sys.stderr = before
        with suppress(OSError):  # the terminal may be gone
            true.close()


def _is_original() -> bool:
    try:
        return sys.stderr.fileno() == _STDERR
    except (AttributeError, OSError, ValueError):
        return False


def _read(readable: int) -> None:
    with os.fdopen(readable, "rb") as lines:
        while line := lines.readline(_LONGEST):
            if text := line.decode(errors="backslashreplace").rstrip():
                log.warning("%s", text, extra={"event": "stderr"})
