"""Serves an ASGI application over HTTP in a thread of its own."""

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from sr4k.errors import OptionError
from sr4k.service.endpoint import parse_address

log = logging.getLogger(__name__)

_BACKLOG = 128
_GRACE = 2
"""Seconds that open connections get at the end."""


@contextmanager
def serving(app: Any, address: str) -> Iterator[int]:
    """Serve an application while the context is open; yields the port.

    Args:
        app: an ASGI application.
        address: ``HOST:PORT``; port 0 means any free one.

    Raises:
        OptionError: the address is invalid, or the port is in use.
    """
    host, port = parse_address(address)
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as err:
        raise OptionError(f"Can't listen on {address}: {err.strerror}. Choose another address or port.") from err
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), name="sr4k-web", daemon=True)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
