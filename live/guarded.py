"""Threads that a live channel can't do without."""

import logging
import os
from collections.abc import Callable

log = logging.getLogger(__name__)


def guarded(name: str, run: Callable[[], None]) -> Callable[[], None]:
    """Return what a thread is to call: ``run``; if it fails, the process ends, which is replaced.

    Without the thread, the channel would freeze, and nobody would notice. ``name`` is for the log.
    """

    def guarding() -> None:
        try:
            run()
        except Exception:
            log.exception("%s failed", name)
            logging.shutdown()
            os._exit(1)

    return guarding
