"""Starts the process with the page, and starts it again whenever it dies or hangs, on the same port."""

import logging
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from typing import Self

from sr4k.common.logs import log_wire
from sr4k.errors import OptionError
from sr4k.live.backoff import Backoff
from sr4k.pipeline.starting import start_process
from sr4k.queue.going_on import GoingOn
from sr4k.service.channel_desk import Channels
from sr4k.service.endpoint import parse_address
from sr4k.web.channel_link import Answering
from sr4k.web.page_health import USUAL, Patience, killed_when_it_hangs
from sr4k.web.page_process import run_page
from sr4k.web.page_settings import PageSettings

log = logging.getLogger(__name__)

_BACKLOG = 128
"""Connections that wait while the page is started."""

_STEADY = 60.0
"""Seconds that a page must have run for the backoff to be reset."""

_FAREWELL = 5.0
"""Seconds that a page gets to end."""


@contextmanager
def listening_on(address: str) -> Iterator[socket.socket]:
    """Listen on ``HOST:PORT`` while the context is open; port 0 means any free one.

    Raises:
        OptionError: the address is invalid, or the port is in use.
    """
    host, port = parse_address(address)
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as err:
        raise OptionError(f"Can't listen on {address}: {err.strerror}. Choose another address or port.") from err
    with listening:
        yield listening


class PageKeeper:
    """Keeps a page running, in a thread of its own, while the context is open.

    The process ends with this one at the latest, also when this one is killed.

    Args:
        settings: of the page.
        channels: what it asks of the live channels.
        on_death: called before a page that died is started again.
        patience: with a page that does not answer. One that hangs is killed.
    """

    def __init__(
        self,
        settings: PageSettings,
        channels: Channels | None,
        on_death: Callable[[], None],
        patience: Patience = USUAL,
    ) -> None:
        self._settings, self._channels, self._on_death, self._patience = settings, channels, on_death, patience
        self._ending = threading.Event()
        self._answering: Answering | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="sr4k-page", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        if self._answering is not None:
            threading.Thread(target=self._answering.end, daemon=True).start()  # a page that hangs may not even take it
        self._thread.join(_FAREWELL)
        if self._thread.is_alive() and self._process is not None:
            self._process.kill()
        self._thread.join()

    def _run(self) -> None:
        backoff, steady = Backoff(), GoingOn("What the page has left half done", self._ending.wait)
        with log_wire() as wire:
            while not self._ending.is_set():
                began = time.monotonic()
                reason = self._run_once(wire)
                if self._ending.is_set():
                    return
                with steady.round():
                    self._on_death()
                if time.monotonic() - began > _STEADY:
                    backoff.reset()
                wait = backoff.wait()
                extra = {"event": "restart", "reason": reason}
                log.error("The page's process %s; starting again in %.1f s.", reason, wait, extra=extra)
                self._ending.wait(wait)

    def _run_once(self, prepare: Callable[[], None]) -> str:
        """Run a page to its end, and return how it ended."""
        ours, theirs = Pipe()
        with ours:
            try:
                with theirs:
                    self._process = start_process("sr4k-page", run_page, theirs, self._settings, prepare)
            except OSError as err:
                return f"could not be started ({err.strerror})"
            self._answering = Answering(ours, self._channels)
            if self._ending.is_set():  # the end came between
                self._answering.end()
            with killed_when_it_hangs(self._process, self._settings.listening, self._patience) as hung:
                self._answering.answer_for_ever()
                ours.close()  # a page that is there still ends
                self._process.wait()
        if hung.is_set():
            return "did not answer any more and was killed"
        code = self._process.returncode
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
