"""A TCP proxy that injects network faults: delay, corruption, resets and half-open connections."""

import asyncio
import contextlib
import random
import socket
import ssl
import struct
import threading
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Coroutine
from typing import Any, Self

_BLOCK = 16384
_ON_THE_WAY = 256
"""Maximum number of delayed blocks in each direction."""

_GLANCE = 0.02
"""Seconds between two checks whether a held connection may continue."""

Way = asyncio.Queue[tuple[float, bytes]]
"""Blocks, each with the monotonic time at which it is due; an empty block ends the stream."""


class Proxy:
    """A proxy from ``port`` to 127.0.0.1:``target``. A context manager; it runs in a thread.

    With ``tls``, clients connect to it over TLS.

    Attributes:
        port: Port of 127.0.0.1 on which it listens.
        corrupt: Probability that one byte of a block is changed.
        hold: Whether nothing is forwarded while connections stay open (half-open connections).
        refuse: Whether new connections are reset at once.
        delay: Seconds from one end to the other.
    """

    def __init__(self, target: int, tls: ssl.SSLContext | None = None) -> None:
        self._target, self._tls = target, tls
        self.corrupt = self.delay = 0.0
        self.hold = self.refuse = False
        self._random = random.Random(0)
        self._connections: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._connect, sock=listener, limit=_BLOCK, ssl=self._tls))
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def url(self, key: str, app: str = "live") -> str:
        """Return the address of a stream by way of the proxy."""
        return f"rtmp://127.0.0.1:{self.port}/{app}/{key}"

    def cut(self) -> None:
        """Reset all connections."""
        self._do(self._cut())

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _cut(self) -> None:
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0)  # the event loop closes the sockets

    async def _connect(self, source: StreamReader, back: StreamWriter) -> None:
        if self.refuse:
            _reset(back)
            return
        try:
            answers, sink = await asyncio.open_connection("127.0.0.1", self._target, limit=_BLOCK)
        except OSError:
            _reset(back)
            return
        connection = asyncio.create_task(self._pass(source, sink, answers, back))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _pass(self, source: StreamReader, sink: StreamWriter, answers: StreamReader, back: StreamWriter) -> None:
        """Forward both directions until one of them ends."""
        there, here = Way(_ON_THE_WAY), Way(_ON_THE_WAY)
        sending = [asyncio.create_task(self._send(way, end)) for way, end in ((there, sink), (here, back))]
        taking = [asyncio.create_task(self._take(end, way)) for end, way in ((source, there), (answers, here))]
        try:
            await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
            back.close()
            sink.close()
        except asyncio.CancelledError:
            _reset(back)
            _reset(sink)
        finally:
            for task in (*sending, *taking):
                task.cancel()
            await asyncio.gather(*sending, *taking, return_exceptions=True)

    async def _take(self, source: StreamReader, way: Way) -> None:
        data = b" "
        while data:
            await self._unheld()
            try:
                data = await source.read(_BLOCK)
            except OSError:
                data = b""
            await way.put((time.monotonic() + self.delay, data))

    async def _send(self, way: Way, sink: StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = await way.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await self._unheld()
                if not data:
                    return
                sink.write(self._corrupted(data))
                await sink.drain()

    async def _unheld(self) -> None:
        while self.hold:
            await asyncio.sleep(_GLANCE)

    def _corrupted(self, data: bytes) -> bytes:
        if self._random.random() >= self.corrupt:
            return data
        broken = bytearray(data)
        broken[self._random.randrange(len(broken))] ^= 0xFF
        return bytes(broken)


def _reset(end: StreamWriter) -> None:
    """Close a connection so that its peer gets a reset instead of an end of stream."""
    with contextlib.suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    end.transport.abort()
