"""Functions for processes that tests start."""

import os
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from sr4k.pipeline.fork_server import is_open


def die(number: signal.Signals) -> None:
    """End by a signal."""
    os.kill(os.getpid(), number)


def tell_about_itself(end: Connection) -> None:
    """Send what this process is and has, and wait for an answer."""
    here = Path("/proc/self")
    end.send(
        {
            "title": (here / "cmdline").read_bytes().rstrip(b"\0").decode(),
            "argument": sys.argv[2],
            "shared": "array" in sys.modules,
            "path": dict(each.partition("=")[::2] for each in (here / "environ").read_text().rstrip("\0").split("\0"))[
                "PATH"
            ],
            "open": {number for number in range(1024) if is_open(number)},
            "own": end.fileno(),
        }
    )
    end.recv()


def tell_all(ends: list[Connection]) -> None:
    """Send each its number."""
    for number, end in enumerate(ends):
        end.send(number)


def page_of_somebody_else(connection: Connection, *_: object) -> None:
    """Send what no page does, and go on until the other end is gone."""
    connection.send_bytes(b"no question")
    with suppress(EOFError):
        connection.recv_bytes()
