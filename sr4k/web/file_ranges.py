"""Sends files, or ranges of their bytes, as RFC 9110 has it."""

from fastapi.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from sr4k.web.api.problems import problem


class _RefusedRangeError(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class RangedFile(FileResponse):
    """A file to be sent. What is no range of bytes is ignored; one that lies outside is answered by a problem."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""

        async def checked(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (400, 416):
                raise _RefusedRangeError(message["status"])
            await send(message)

        try:
            await super().__call__(scope, receive, checked)
        except _RefusedRangeError as refused:
            if refused.status == 400:
                headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
                await super().__call__({**scope, "headers": headers}, receive, send)
                return
            size = self.headers["content-length"]
            outside = problem(416, f"The file has {size} bytes: no other range of it can be sent.")
            outside.headers["Content-Range"] = f"bytes */{size}"
            await outside(scope, receive, send)
