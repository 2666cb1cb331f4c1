"""Requests that are still worked on when the server ends: they are told so, and the log has one line of them all."""

import asyncio
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sr4k.errors import MachineError
from sr4k.web.api.problems import problem


class TellOfEnd:
    """Answers requests to an app that the server gives up; whether they did something by then, nobody knows."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        has_begun = scope["type"] != "http"

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if has_begun:  # and can't be told anything else
                raise
            words = "The service has ended before this was answered: look whether it was done once it is started again."
            await problem(503, words, MachineError.exit_code)(scope, receive, send)


class OneLine(logging.Filter):
    """Keeps requests that were given up from being told as bugs, with the lines of code that they were at."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record of uvicorn's is to be logged."""
        if isinstance(record.msg, str) and record.msg.startswith("Cancel %s running task"):
            record.msg = "The page has ended before this many requests were answered: %s."
        return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


ONE_LINE = OneLine()
"""The same for all servers, as a logger takes a filter once."""
