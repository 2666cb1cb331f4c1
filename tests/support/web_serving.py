"""The service over HTTP for tests: its parts, and requests without a network."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
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
