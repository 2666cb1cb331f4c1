"""Keeps from stderr what libraries in C write there, such as libjpeg and libpng, which name no file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2


@contextmanager
def library_lines() -> Iterator[list[str]]:
    """Context in which nothing that is written to file descriptor 2 appears, whichever thread writes it.

    Yields:
        A list, to which the lines that were written are added at the end.
    """
    lines: list[str] = []
    if sys.stderr is None:  # it is closed: the descriptor is free, or another file's
        yield lines
        return
    sys.stderr.flush()
    before, kept = os.dup(_STDERR), os.memfd_create("stderr")
    with os.fdopen(kept, "rb") as written:
        os.dup2(kept, _STDERR)
        try:
            yield lines
        finally:
            os.dup2(before, _STDERR)
            os.close(before)
            written.seek(0)
            lines += (line.strip() for line in written.read().decode(errors="backslashreplace").splitlines())
