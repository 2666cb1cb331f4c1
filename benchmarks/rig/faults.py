"""What networks do: a TCP proxy that can be told to."""

import contextlib
import random
import socket
import struct
import threading
import time
from typing import Self


class Proxy:
    """Between whoever connects to ``port`` and 127.0.0.1:``target``. A context manager.

    Attributes:
        corrupt: probability that a block of bytes has one that is wrong.
        hold: whether nothing goes through, and nobody is told (a half-open connection).
        refuse: whether new connections are closed at once.
        delay: seconds that each block takes.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.corrupt = 0.0
        self.hold = self.refuse = False
        self.delay = 0.0
        self._random = random.Random(0)
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.close()
        self.cut()

    def url(self, key: str, app: str = "live") -> str:
        """Of a stream behind it."""
        return f"rtmp://127.0.0.1:{self.port}/{app}/{key}"

    def cut(self) -> None:
        """Reset all connections."""
        for end in self._open:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                if self.refuse:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self._target), 2)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                while self.hold:
                    time.sleep(0.02)
                if self.delay:
                    time.sleep(self.delay)
                if self._random.random() < self.corrupt:
                    broken = bytearray(data)
                    broken[self._random.randrange(len(broken))] ^= 0xFF
                    data = bytes(broken)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # another thread waits for it: to close it alone would tell nobody
            end.close()
