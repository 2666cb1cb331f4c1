"""The service over HTTP for tests: its parts, requests without a network, and a real server."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from sr4k.queue.job_queue import Queue
from sr4k.queue.keeper import SettingsKeeper
from sr4k.queue.settings import Library
from sr4k.web.web_service import Channels, WebService


def service_of(folder: Path, *, channels: Channels | None = None, **more: Any) -> WebService:
    """Return a service whose library is a folder ``videos``, which is made, and whose queue lies beside it."""
    (folder / "videos").mkdir(exist_ok=True)
    library, queue = Library([folder / "videos"]), Queue(folder / "queue.db")
    return WebService(queue=queue, library=library, settings=SettingsKeeper(queue, library), channels=channels, **more)


def ask(app: FastAPI, method: str, path: str, *, host: str = "127.0.0.1:8484", **more: Any) -> httpx.Response:
    """Send a request to an application as a client on this machine would; redirections are not followed."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 40_000))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.request(method, path, **more)

    return asyncio.run(asked())


@contextmanager
def served(app: FastAPI, port: int = 0) -> Iterator[int]:
    """Serve an application on loopback, by a real server in a thread; yields its port."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the server has not started"
            time.sleep(0.02)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
