"""What happens, as it happens: server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from sr4k.queue.job_queue import Queue
from sr4k.queue.queued_job import Event
from sr4k.web.api.problems import responses
from sr4k.web.web_service import WebService

_LOOK = 0.3
"""Seconds between two looks for news."""

_BREATH = 15.0
"""Seconds without news after which a comment is sent, so that nobody between takes the connection for dead."""


def router(service: WebService) -> APIRouter:
    """Return the route of events."""
    made = APIRouter(prefix="/api/v1", tags=["events"], responses=responses(422))

    @made.get("/events", response_class=StreamingResponse)
    def events(
        request: Request,
        after: Annotated[int | None, Query(ge=0, le=2**53, description="Last event that is known.")] = None,
        last_event_id: Annotated[str | None, Header(pattern=r"^[0-9]{1,15}$")] = None,
    ) -> StreamingResponse:
        """Follow what happens: one server-sent event each, whose ``data`` is JSON. Left out: only what comes."""
        known = int(last_event_id) if last_event_id is not None else after
        latest = service.queue.latest
        begin = latest if known is None or known > latest else known  # above it: of a queue that was here before
        return StreamingResponse(_told(service, request, begin), media_type="text/event-stream", headers=_UNCACHED)

    return made


_UNCACHED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def _told(service: WebService, request: Request, known: int) -> AsyncIterator[str]:
    """Yield events, for as long as somebody listens and the service runs."""
    yield "retry: 2000\n\n"
    quiet = 0.0
    while not service.ending.is_set() and not await request.is_disconnected():
        news = await run_in_threadpool(_news, service.queue, known)  # the queue's file may be waited for
        for event in news:
            known = event.id
            yield _as_text(event)
        quiet = 0.0 if news else quiet + _LOOK
        if quiet >= _BREATH:
            quiet = 0.0
            yield ": nothing new\n\n"
        if not news:
            await asyncio.sleep(_LOOK)


def _news(queue: Queue, known: int) -> list[Event]:
    return queue.events(known) if queue.latest > known else []


def _as_text(event: Event) -> str:
    return f"id: {event.id}\nevent: {event.kind}\ndata: {event.model_dump_json()}\n\n"
