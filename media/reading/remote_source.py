"""A remote file as libav reads it, whose callbacks can take one error alone."""

from typing import BinaryIO


class RemoteSource:
    """Reads a file for libav. After an error, which PyAV raises where libav was called, there is nothing more to read.

    Libav may ask for more before it returns. PyAV would print a second error with its traceback, and drop it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._has_failed = file, False
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, most: int, /) -> bytes:
        """Return up to ``most`` bytes; nothing at the end, and after an error."""
        if self._has_failed:
            return b""
        try:
            return self._file.read(most)
        except BaseException:
            self._has_failed = True
            raise
