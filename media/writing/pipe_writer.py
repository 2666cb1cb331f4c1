"""Writing to a pipe, whose reader may be slow or leave."""

import os
import select
from multiprocessing.connection import Connection

from sr4k.errors import READER_GONE, OutputError

STANDARD_OUTPUT = "standard output"
"""Name of standard output in messages."""


class ReaderGoneError(OutputError):
    """Whoever read the pipe has closed it."""

    exit_code = READER_GONE


class PipeWriter:
    """Writes to a pipe, for libav and for raw pictures. A full pipe makes it wait.

    Attributes:
        name: Name in messages.

    Args:
        pipe: The descriptor to write to.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self.name = pipe, STANDARD_OUTPUT
        self._ready = select.poll()
        self._ready.register(pipe.fileno(), select.POLLOUT)

    def write(self, data: "bytes | memoryview") -> int:
        """Write all of the data, and return its length in bytes.

        Raises:
            ReaderGoneError: The reader has closed the pipe.
            OSError: Writing failed for another reason.
        """
        left = memoryview(data).cast("B")
        length = len(left)
        try:
            while left:
                self._ready.poll()  # a program may have left it non-blocking
                left = left[os.write(self._pipe.fileno(), left) :]
        except BrokenPipeError as err:
            raise ReaderGoneError(f"{self.name.capitalize()} was closed by its reader.") from err
        return length
