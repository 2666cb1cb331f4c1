"""How many requests may look into videos, or upscale some of one, at the same time: the others go on being answered."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sr4k.errors import MachineError

AT_ONCE = 10
"""Of the 40 threads that answer requests; each such request holds one for seconds or minutes."""


class Errands:
    """Counts the requests that work or wait for their turn to. Any thread may use it."""

    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(AT_ONCE)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one more while the context is open.

        Raises:
            MachineError: there are `AT_ONCE` already.
        """
        if not self._free.acquire(blocking=False):
            raise MachineError(f"{AT_ONCE} requests look into videos at the moment: try again when they are answered.")
        try:
            yield
        finally:
            self._free.release()
