"""For threads that work for as long as their service runs: what fails once is logged, and tried again."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sr4k.errors import Sr4kError

log = logging.getLogger(__name__)

_BREATH = 1.0
"""Seconds to wait after something failed."""

_AGAIN = 60.0
"""Seconds after which the same failure is logged again."""


class GoingOn:
    """Logs what fails in a thread, such as the queue's file on a full disk, and waits a while.

    Args:
        what: is worked on, at the beginning of a sentence.
        wait: is called with the seconds to wait.
    """

    def __init__(self, what: str, wait: Callable[[float], object]) -> None:
        self._what, self._wait = what, wait
        self._told, self._at = "", 0.0

    @contextmanager
    def round(self) -> Iterator[None]:
        """Do one round of the work inside."""
        try:
            yield
        except Exception as err:
            if str(err) != self._told or time.monotonic() - self._at > _AGAIN:
                self._told, self._at = str(err), time.monotonic()
                log.error("%s could not be tended: %s", self._what, err, exc_info=not isinstance(err, Sr4kError))
            self._wait(_BREATH)
