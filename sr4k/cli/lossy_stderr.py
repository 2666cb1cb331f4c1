"""Standard error for what no work may end for: progress and results of jobs."""

import sys
from contextlib import suppress
from typing import IO, Any, cast


class _Lossy:
    """A text stream that loses what can't be written: its reader, terminal or disk may be gone."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def lossy_stderr() -> IO[str]:
    """Return a stream that writes to what is stderr now, and raises no `OSError`."""
    return cast(IO[str], _Lossy(sys.stderr))
