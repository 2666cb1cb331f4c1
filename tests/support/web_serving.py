"""The service over HTTP for tests: its parts, and requests with and without a network."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from sr4k.live.steering import Steering
from sr4k.queue.job_queue import Queue
from sr4k.queue.keeper import SettingsKeeper
from sr4k.queue.settings import Library
from sr4k.service.channel_desk import ChannelDesk, Channels
from sr4k.service.channel_history import ChannelHistory
from sr4k.service.channel_status import ChannelMonitor, LiveStatus
from sr4k.service.redaction import Redaction
from sr4k.service.run_channels import Ends
from sr4k.web.page_keeper import listening_on
from sr4k.web.web_server import serve_until
from sr4k.web.web_service import WebService


class Runs:
    """Channels that nobody runs: a test reports for them, and sees what is done with them."""

    def __init__(self, *monitors: ChannelMonitor) -> None:
        self.monitors = [*monitors]
        self.names = frozenset(monitor.status.name for monitor in monitors)
        self.halted: frozenset[str] = frozenset()
        self.restarts: list[str] = []
        self.steerings = {name: Steering() for name in self.names}
        self.playlists: dict[int, Path] = {}

    def ends(self, name: str) -> Ends:
        (last,) = [each.status.last for each in self.monitors if each.status.name == name] or [LiveStatus.none_yet()]
        return Ends(last.intake.source, tuple(target.target for target in last.playout.targets), self.playlists)

    def steering(self, name: str) -> Steering:
        return self.steerings[name]

    def halt(self, name: str) -> None:
        self.halted |= {name}

    def let_go_on(self, name: str) -> None:
        self.halted -= {name}

    def restart(self, name: str) -> None:
        self.restarts.append(name)


def desk_of(runs: Runs, redaction: Redaction | None = None) -> ChannelDesk:
    """Return what a page is told of channels. Their history notes nothing by itself."""
    hidden = redaction or Redaction()
    return ChannelDesk(runs, ChannelHistory(runs.monitors, lambda: runs.names, hidden), hidden)


def service_of(folder: Path, *, channels: Channels | None = None) -> WebService:
    """Return a service whose library is a folder ``videos``, which is made, and whose queue lies beside it."""
    (folder / "videos").mkdir(exist_ok=True)
    library, queue = Library([folder / "videos"]), Queue(folder / "queue.db")
    settings = SettingsKeeper(queue, library)
    return WebService(queue=queue, library=library, settings=settings, scratch=folder, channels=channels)


@contextmanager
def serving(app: FastAPI) -> Iterator[int]:
    """Serve an application on a free port; yields it."""
    ending = threading.Event()
    with listening_on("127.0.0.1:0") as listening:
        thread = threading.Thread(target=serve_until, args=(app, listening, ending))
        thread.start()
        yield int(listening.getsockname()[1])
        ending.set()
        thread.join()


def ask(app: FastAPI, method: str, path: str, *, host: str = "127.0.0.1:8484", **more: Any) -> httpx.Response:
    """Send a request to an application as a client on this machine would; redirections are not followed."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 40_000))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.request(method, path, **more)

    return asyncio.run(asked())
