"""Functions that log, to be run in spawned processes."""

import logging
import logging.handlers
import time
from typing import Any

from toy_statuses import SOURCE


def log_in_process(queue: Any) -> None:
    logging.getLogger().addHandler(logging.handlers.QueueHandler(queue))
    logging.getLogger("sr4k.test").warning("can't open %s", SOURCE)


def log_for_ever(wire: Any) -> None:
    """Log for ten minutes, longer than any test runs."""
    until = time.monotonic() + 600
    while time.monotonic() < until:
        wire.put_nowait(logging.makeLogRecord({"msg": "x" * 500, "levelname": "INFO", "levelno": logging.INFO}))
