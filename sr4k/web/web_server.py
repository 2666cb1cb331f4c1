"""Serves an ASGI application over HTTP."""

import asyncio
import logging
import socket
import threading
from typing import Any

import uvicorn

from sr4k.web.unanswered import ONE_LINE, TellOfEnd

_GRACE = 2
"""Seconds that open connections get at the end."""


def serve_until(app: Any, listening: socket.socket, ending: threading.Event) -> None:
    """Serve an application until an event is set, or the server fails.

    Args:
        app: an ASGI application.
        listening: a socket that listens.
        ending: ends it.
    """
    config = uvicorn.Config(
        TellOfEnd(app),
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        proxy_headers=False,  # whoever asks would choose the address by which its wrong tokens are counted
        timeout_graceful_shutdown=_GRACE,
        ws="none",
    )
    logging.getLogger("uvicorn.error").addFilter(ONE_LINE)
    server = uvicorn.Server(config)

    def end() -> None:
        ending.wait()
        server.should_exit = True

    threading.Thread(target=end, name="sr4k-web-end", daemon=True).start()
    # In a thread of its own, where the server leaves signals alone.
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), name="sr4k-web", daemon=True)
    thread.start()
    thread.join()
