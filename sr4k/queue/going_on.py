"""For threads that work for as long as their service runs: what fails once is logged, and tried again."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sr4k.errors import Sr4kError

log = logging.getLogger(__name__)

_BREATH = 1.0
"""Seconds to wait after something failed."""


@contextmanager
def going_on(what: str, wait: Callable[[float], object]) -> Iterator[None]:
    """Log what fails inside, such as the queue's file on a full disk, and wait a while.

    Args:
        what: is worked on, at the beginning of a sentence.
        wait: is called with the seconds to wait.
    """
    try:
        yield
    except Exception as err:
        log.error("%s could not be tended: %s", what, err, exc_info=not isinstance(err, Sr4kError))
        wait(_BREATH)
