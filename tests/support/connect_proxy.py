"""A proxy that leads on what is asked for by CONNECT."""

import socket
import threading
from contextlib import suppress
from typing import Self


class ConnectProxy:
    """HTTP on loopback; a context manager. ``asked``: the hosts, with their ports."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._lead, args=(self._socket.accept()[0],), daemon=True).start()

    def _lead(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (more := client.recv(4096)):
            head += more
        if not head.startswith(b"CONNECT "):
            client.close()
            return
        self.asked.append(head.split()[1].decode())
        host, _, port = self.asked[-1].rpartition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=_relay, args=(client, server), daemon=True).start()
        _relay(server, client)


def _relay(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError), one, other:
        while data := one.recv(65536):
            other.sendall(data)
