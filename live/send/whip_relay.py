"""A process that passes libav's WHIP offer on to the server, started by `sr4k.live.send.whip_target`.

libav posts the offer while it keeps Python's lock, so no thread of its own process could answer it.
"""

import os
import socket
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer

from sr4k.errors import Sr4kError
from sr4k.live.address import Address
from sr4k.live.send.whip_http import offered
from sr4k.live.wire_format import pack


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOrder:
    """What to pass on where.

    Attributes:
        target: the server.
        listener: file descriptor of a socket that listens for libav.
        path: path of libav's request; others, of anybody on this machine, are refused.
        report: file descriptor of a pipe to report to.
    """

    target: Address
    listener: int
    path: str
    report: int


@dataclass(frozen=True, slots=True)
class Agreed:
    """Report: the server has agreed. See `sr4k.live.send.whip_http.Session`."""

    media: str
    resource: str
    password: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Report: why there is no session."""

    reason: str


def main(order: RelayOrder) -> None:
    """Answer libav's request with the server's answer, and report what came of it."""
    with _Relay(order) as relay:
        while not relay.is_done:
            relay.handle_request()


class _Relay(HTTPServer):
    """Takes one offer."""

    def __init__(self, order: RelayOrder) -> None:
        listener = socket.socket(fileno=order.listener)
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.order, self.is_done = order, False


class _Handler(BaseHTTPRequestHandler):
    timeout = 2.0  # seconds, where a stranger connects and says nothing
    server: _Relay

    def do_POST(self) -> None:
        """Pass the offer on."""
        order = self.server.order
        if self.path != order.path:
            self.send_error(403)
            return
        self.server.is_done = True
        try:
            session = offered(order.target, self.rfile.read(int(self.headers["Content-Length"])))
        except Sr4kError as err:
            os.write(order.report, pack(Refused(str(err).rstrip("."))))
            self.send_error(502)
            return
        os.write(order.report, pack(Agreed(session.media, session.resource, session.password)))
        answer = session.answer.encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/sdp")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words: object) -> None:
        """Print nothing."""
