"""The HTTP endpoint: ``/metrics`` for Prometheus, ``/health`` and ``/ready`` for probes."""

import json
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from sr4k.errors import OptionError
from sr4k.service.channel_status import ChannelMonitor
from sr4k.service.prometheus import registry_of
from sr4k.service.redaction import Redaction, without_passwords

log = logging.getLogger(__name__)

_PATIENCE = 10.0
"""Timeout of a client in seconds, from its connection to the end of its response."""

_MOST_CLIENTS = 32
"""Maximum number of clients at once. Another one displaces the oldest: a probe takes milliseconds, an attack longer."""

_BREATH = 0.5
"""Seconds to wait when no connection can be accepted for lack of file descriptors or memory."""

_OWN_WORDS = ("reason", "error")
"""Keys of ``/ready`` whose values are sentences, which may quote an address."""

_TICK = 0.1
"""Seconds between the server's checks for a shutdown and for clients that timed out."""


@contextmanager
def serve_http(address: str, channels: Sequence[ChannelMonitor], redaction: Redaction | None = None) -> Iterator[int]:
    """Serve HTTP in threads of its own while the context is open; yields the port.

    * ``/metrics``: see `sr4k.service.prometheus`.
    * ``/health``: 200 as long as this process works at all.
    * ``/ready``: 200 if every channel is live, in and out, else 503; in both cases with the states as JSON.

    Args:
        address: ``HOST:PORT``; ``:PORT`` listens on all IPv4 interfaces, as Prometheus's own programs do, and port 0
            means any free one.
        channels: the channels to report on; the list may change.
        redaction: hides secrets in the channels' reasons and errors.

    Raises:
        OptionError: the address is invalid, or the port is in use.
    """
    host, port = parse_address(address)
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        server = (_Server6 if host and family == socket.AF_INET6 else _Server)((host, port), _Handler)
    except OSError as err:
        raise OptionError(f"Can't listen on {address}: {err.strerror}. Choose another address or port.") from err
    server.set_app(_app(channels, redaction or Redaction()))
    thread = threading.Thread(target=server.serve_forever, args=(_TICK,), name="sr4k-http", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, ``[IPV6]:PORT`` or ``:PORT``.

    Raises:
        OptionError: the address has another form.
    """
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not (colon and port.isascii() and port.isdecimal() and int(port) < 65536 and (bracketed or ":" not in host)):
        found = without_passwords(address)
        raise OptionError(f"'{found}' isn't an address to listen on: use :PORT or HOST:PORT, such as 127.0.0.1:9108.")
    return host.strip("[]"), int(port)


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 2 * _MOST_CLIENTS

    def __init__(self, *args: Any) -> None:
        self._clients: dict[socket.socket, float] = {}  # when each connected, the oldest first
        self._counting = threading.Lock()
        super().__init__(*args)

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError:
            time.sleep(_BREATH)  # the connection stays pending, and accept would be retried in a busy loop
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._counting:
            self._clients[request] = time.monotonic()
            if len(self._clients) > _MOST_CLIENTS:
                self._hang_up(next(iter(self._clients)))
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        now = time.monotonic()
        with self._counting:
            for client in [client for client, since in self._clients.items() if now - since > _PATIENCE]:
                self._hang_up(client)

    def shutdown_request(self, request: Any) -> None:
        with self._counting:
            self._clients.pop(request, None)
        super().shutdown_request(request)

    def _hang_up(self, client: socket.socket) -> None:
        """Shut the connection down; its thread notices and closes it."""
        del self._clients[client]
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        # HTTPServer.server_bind would look the host name up in the DNS, which may take long.
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        log.debug("A client of the endpoint failed", exc_info=True)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = _PATIENCE

    def log_message(self, format: str, *args: Any) -> None: ...


Respond = Callable[[str, list[tuple[str, str]]], Any]


def _app(channels: Sequence[ChannelMonitor], redaction: Redaction) -> Callable[[dict[str, Any], Any], Any]:
    metrics = make_wsgi_app(registry_of(channels))

    def app(environ: dict[str, Any], respond: Respond) -> Any:
        match environ["PATH_INFO"]:
            case "/metrics":
                page: Iterable[bytes] = metrics(environ, respond)
                return page
            case "/health":
                return _answer(respond, "200 OK", {"ok": True})
            case "/ready":
                states = readiness(channels, redaction)
                return _answer(respond, "200 OK" if states["ready"] else "503 Service Unavailable", states)
            case _:
                return _answer(respond, "404 Not Found", {"paths": ["/metrics", "/health", "/ready"]})

    return app


def readiness(channels: Sequence[ChannelMonitor], redaction: Redaction) -> dict[str, Any]:
    """Return the answer to ``/ready``: whether every channel is live, in and out, and the states of all."""
    now = {status.name: status for status in (channel.status for channel in list(channels))}
    ready = all(status.ready for status in now.values())
    states = {"ready": ready, "channels": {name: status.as_dict() for name, status in now.items()}}
    redacted: dict[str, Any] = _redacted(states, redaction)
    return redacted


def _answer(respond: Respond, status: str, answer: dict[str, Any]) -> Iterable[bytes]:
    body = (json.dumps(answer, indent=2) + "\n").encode()
    respond(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _redacted(answer: Any, redaction: Redaction) -> Any:
    """Return a copy with secrets removed from the values of `_OWN_WORDS`."""
    if isinstance(answer, dict):
        return {
            key: redaction.text(value) if key in _OWN_WORDS and isinstance(value, str) else _redacted(value, redaction)
            for key, value in answer.items()
        }
    return [_redacted(each, redaction) for each in answer] if isinstance(answer, list) else answer
