"""Tells when the process with the page hangs: it is there, and answers nobody."""

import logging
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a page may be silent. The usual values leave a page alone that is merely slow on a busy machine.

    Attributes:
        start: seconds that it may take until its first answer.
        every: seconds between two requests.
        answer: seconds that an answer may take.
        failures: number of requests in a row without an answer from which on it hangs.
    """

    start: float = 300.0
    every: float = 10.0
    answer: float = 30.0
    failures: int = 3


USUAL = Patience()


@contextmanager
def killed_when_it_hangs(
    process: "subprocess.Popen[bytes]", listening: socket.socket, patience: Patience
) -> Iterator[threading.Event]:
    """Ask a page for its health again and again while the context is open, and kill it when it hangs.

    Yields what is set then.

    Args:
        process: of the page.
        listening: the socket that it serves.
        patience: with it.
    """
    over, hung = threading.Event(), threading.Event()

    def watch() -> None:
        if _wait_for_hang(listening, over, patience):
            hung.set()
            process.kill()

    threading.Thread(target=watch, name="sr4k-page-health", daemon=True).start()
    try:
        yield hung
    finally:
        over.set()


def _wait_for_hang(listening: socket.socket, over: threading.Event, patience: Patience) -> bool:
    """Return True as soon as a page hangs, or False when it is over."""
    begin_by = time.monotonic() + patience.start
    has_begun, failures = False, 0
    while not over.wait(patience.every):
        if _answers(listening, patience.answer):
            if not has_begun:
                log.debug("The page answers.")
            has_begun, failures = True, 0
            continue
        failures += 1
        if failures >= patience.failures and (has_begun or time.monotonic() > begin_by):
            return not over.is_set()
    return False


def _answers(listening: socket.socket, seconds: float) -> bool:
    """Whether a server answers a request at all, through the threads that answer all others."""
    host, *rest = listening.getsockname()
    own: tuple[Any, ...] = ({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), *rest)
    connection = HTTPConnection("localhost", timeout=seconds)  # a name that each service goes by
    with closing(connection), socket.socket(listening.family) as connected:
        try:
            connected.settimeout(seconds)
            connected.connect(own)
            connection.sock = connected
            connection.request("GET", "/health")
            connection.getresponse().read()
        except (OSError, HTTPException):
            return False
    return True
