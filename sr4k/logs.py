"""Logging set-up: the records of all processes come together in the main one."""

import logging
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from multiprocessing_logging import MultiProcessingHandler


@contextmanager
def collected_logs(handler: logging.Handler, level: int) -> Iterator[Any]:
    """Send every record of this process to ``handler``, and give a queue through which other processes send theirs.

    The root logger is as it was afterwards.
    """
    root = logging.getLogger()
    before = root.handlers[:], root.level
    collector = _spawnable(handler)
    root.handlers[:], root.level = [collector], level
    root.setLevel(level)
    try:
        yield collector.queue
    finally:
        collector.close()
        root.handlers[:] = before[0]
        root.setLevel(before[1])


def _spawnable(handler: logging.Handler) -> MultiProcessingHandler:
    """A collector whose queue can travel to spawned processes.

    multiprocessing-logging takes its queue from the default context, which on Linux is ``fork`` before Python 3.14, and
    such a queue can't be handed to a spawned child.
    """
    default = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    try:
        return MultiProcessingHandler("sr4k-logs", sub_handler=handler)
    finally:
        multiprocessing.set_start_method(default, force=True)
