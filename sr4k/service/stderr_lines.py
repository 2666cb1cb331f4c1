"""What is written to stderr past the log: by a process that crashes, the interpreter or a library of C."""

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

log = logging.getLogger(__name__)

_STDERR = 2

_LEAVING = 1.0
"""Seconds that processes get to let go of their end."""

_LONGEST = 8192
"""Bytes of a line; what is longer becomes several."""


@contextmanager
def stray_lines() -> Iterator[None]:
    """Meanwhile, each line that is written to this file descriptor, here or in a child, becomes a log record.

    So a log stays one of JSON objects, and secrets are taken out of such lines as well. ``sys.stderr`` of this process
    stays what it was to the user. Where it has been replaced already, nothing is done.
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
        reader.join(_LEAVING)  # until the last process has let go of its end
        sys.stderr = before
        with suppress(OSError):  # a terminal that is gone takes no more
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
