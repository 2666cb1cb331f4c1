"""Answers HEAD wherever GET is answered: with the same status and headers, and no body."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Lets an app, which knows GET alone, answer HEAD as well."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start" and not has_begun:
                has_begun = True
                await send(message)
                await send({"type": "http.response.body"})
                task.cancel()  # or it would read a whole video, or wait for news, for a body that nobody gets

        async def answer() -> None:
            await self._app({**scope, "method": "GET"}, receive, send_headers)

        task = asyncio.create_task(answer())
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
        if not has_begun:
            task.result()  # raises what has kept it from answering
