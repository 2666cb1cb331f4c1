"""An HTTP proxy that supports CONNECT, like those of companies."""

import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from serving import Serving


class ConnectProxy(Serving):
    """A proxy on loopback; a context manager.

    Args:
        refuses: Status code with which it refuses every request.

    Attributes:
        asked: Targets of all CONNECT requests.
    """

    def __init__(self, refuses: int | None = None) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                asked.append(self.path)
                if refuses is not None:
                    self.send_error(refuses)
                    return
                host, _, port = self.path.rpartition(":")
                with socket.create_connection((host, int(port))) as there:
                    self.send_response(200)
                    self.end_headers()
                    back = threading.Thread(target=_pass_on, args=(there, self.connection))
                    back.start()
                    _pass_on(self.connection, there)
                    back.join()

            def do_GET(self) -> None:
                self.send_error(refuses or 501)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, *words: object) -> None:
                pass

        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        self.url = f"http://127.0.0.1:{self.port}"


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
