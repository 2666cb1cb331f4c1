"""Requests to a server of object storage: counted, held and refused."""

import select
import socket
import threading
from contextlib import suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Between:
    """Stands between clients and a server of object storage, and holds or refuses requests.

    Attributes:
        seen: method and path of each request.
        held: text in the first line of requests that wait until ``goes_on`` is set.
        refused: text in that of requests that are refused.
        has_come: set when such a request has come.
        goes_on: lets them go on.
    """

    def __init__(self, port: int) -> None:
        self.seen: list[str] = []
        self.held = self.refused = "nothing"
        self.has_come, self.goes_on = threading.Event(), threading.Event()
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                line = f"{self.command} {self.path}"
                between.seen.append(line)
                if between.held in line:
                    between.has_come.set()
                    between.goes_on.wait(60)
                    if self._has_left():
                        return
                if between.refused in line:
                    self._answer(403, [], b"<Error><Code>AccessDenied</Code></Error>")
                    return
                upstream = HTTPConnection("127.0.0.1", port, timeout=60)
                upstream.request(self.command, self.path, body, dict(self.headers))
                got = upstream.getresponse()
                with suppress(OSError):  # who asked may have gone
                    self._answer(got.status, got.getheaders(), got.read())

            def _has_left(self) -> bool:
                """Whether who asked has gone, before any answer."""
                ready, _, _ = select.select([self.connection], [], [], 0)
                return bool(ready) and not self.connection.recv(1, socket.MSG_PEEK)

            def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers:
                    if name.lower() in ("etag", "last-modified", "content-type", "content-range"):
                        self.send_header(name, value)
                lengths = [value for name, value in headers if name.lower() == "content-length"]
                self.send_header("Content-Length", lengths[0] if self.command == "HEAD" else str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815 - their names are the library's

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()
