"""Record what a puller delivers, and check it."""

import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import numpy as np
from serving import Serving

from rig import counter
from rig.channel import eventually
from rig.fair_time import Stopwatch
from rig.publish import Publisher
from sr4k.live.address import parse_source
from sr4k.live.receive.link import Ended, Opened, Sound
from sr4k.live.receive.puller import Puller
from sr4k.live.timeline import TICKS
from sr4k.media.planes import inside
from sr4k.pipeline import Format, Frame


@contextmanager
def publishing(url: str, **wishes: Any) -> Iterator[Publisher]:
    """Start a publisher and wait for its first pictures."""
    with Publisher(url, **wishes) as publisher:
        eventually(lambda: len(publisher.lines()) >= 3, 15, "the publisher begins")
        yield publisher


class Pulled:
    """One try of a puller, from its start; a context manager.

    Attributes:
        frames: Arrival time, `FrameInfo` and number (``None`` if unreadable) of each picture.
        sound: Pts and samples (n, 2) of each block.
        form: Format of the pictures, once the source is open.
        ended: The end of the try; ``ended_at``: fair seconds from the start until then.
        watch: Stopwatch that runs from the start.
    """

    def __init__(self, url: str | Path, **wishes: Any) -> None:
        self.frames: list[tuple[float, Any, int | None]] = []
        self.sound: list[tuple[int, Any]] = []
        self.form: Format | None = None
        self.last: tuple[Any, ...] = ()  # planes of the last picture, without margins
        self.ended: Ended | None = None
        self.ended_at = 0.0
        self.watch = Stopwatch()
        self.puller = Puller(parse_source(str(url)), **wishes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.puller.kill()

    @property
    def size(self) -> tuple[int, int]:
        assert self.form is not None
        return self.form.about.width, self.form.about.height

    @property
    def tally(self) -> Any:
        return self.puller.tally

    def until(self, reached: Callable[[], object], seconds: float) -> Self:
        """Receive until the condition holds or the try ends, at most ``seconds``."""
        watch = Stopwatch()
        while not reached():
            assert watch.fair < seconds, f"after {seconds} s: {len(self.frames)} pictures, ended: {self.ended}"
            if self.ended is not None:
                break
            self._take(self.puller.receive(0.1))
        return self

    def pictures(self, count: int, seconds: float = 20) -> Self:
        """Receive ``count`` more pictures."""
        goal = len(self.frames) + count
        self.until(lambda: len(self.frames) >= goal, seconds)
        assert self.ended is None, self.ended
        return self

    def end(self, seconds: float) -> Ended:
        """Receive until the try ends, and return its end."""
        self.until(lambda: self.ended is not None, seconds)
        assert self.ended is not None
        return self.ended

    def _take(self, event: Any) -> None:
        now = time.monotonic()
        if isinstance(event, Frame):
            assert self.form is not None
            self.last = tuple(part.copy() for part in inside(*event.planes, self.size))
            self.frames.append((now, event.info, counter.read(self.last[0])))
            event.release()
        elif isinstance(event, Sound):
            self.sound.append((event.pts, np.frombuffer(event.samples, "<i2").reshape(-1, 2)))
        elif isinstance(event, Opened):
            self.puller.go_on()
            self.form = event.form
        elif isinstance(event, Ended):
            self.ended, self.ended_at = event, self.watch.fair


class FileServer(Serving):
    """An HTTP server on loopback, HTTPS with ``tls``; a context manager. ``/to/ADDRESS`` redirects to the address.

    Attributes:
        asked: Requested paths.
        cookies: Cookie header of each request.
        sets: Cookie that it sets; ``None``: none.
    """

    def __init__(self, folder: Path, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[str] = []
        self.cookies: list[str | None] = []
        self.sets: str | None = None
        asked, server, self._tls = self.asked, self, tls

        class Handler(SimpleHTTPRequestHandler):
            extensions_map = SimpleHTTPRequestHandler.extensions_map | {
                ".m3u8": "application/vnd.apple.mpegurl",
                ".ts": "video/mp2t",
            }

            def do_GET(self) -> None:
                asked.append(self.path)
                server.cookies.append(self.headers.get("Cookie"))
                if self.path.startswith("/to/"):
                    self.send_response(302)
                    self.send_header("Location", self.path.removeprefix("/to/"))
                    self.end_headers()
                else:
                    super().do_GET()

            def end_headers(self) -> None:
                if server.sets is not None:
                    self.send_header("Set-Cookie", server.sets)
                super().end_headers()

            def log_message(self, *words: object) -> None:
                pass

            def handle(self) -> None:
                if isinstance(self.connection, ssl.SSLSocket):
                    self.connection.do_handshake()
                super().handle()

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_words: object) -> None:
                assert isinstance(sys.exception(), OSError)  # the puller was killed, or rejects the certificate

        server_of_files = Server(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        if tls is not None:
            listening = server_of_files.socket
            server_of_files.socket = tls.wrap_socket(listening, server_side=True, do_handshake_on_connect=False)
        super().__init__(server_of_files)

    def url(self, path: str) -> str:
        begin = "http://127.0.0.1" if self._tls is None else "https://localhost"
        return f"{begin}:{self.port}/{path}"


def numbers(pulled: Pulled) -> list[int]:
    """Return the numbers drawn into the pictures; each must have one."""
    read = [number for *_, number in pulled.frames]
    assert None not in read
    return [number for number in read if number is not None]


def assert_all_came(pulled: Pulled, count: int) -> None:
    """Assert that every picture arrived; on a busy machine, some may be dropped because the ring was full."""
    assert len(pulled.frames) + pulled.tally.full == count
    assert pulled.tally.full == 0 or pulled.watch.slowdown > 1.2


def assert_in_real_time(pulled: Pulled, rate: float) -> None:
    """Assert that pictures arrived at their timestamps, ``rate`` per second.

    A busy machine stops now and then, and pictures of that time are late: the most punctual of either half are looked
    at. If pictures came at another pace, these would be later, or earlier, than each other.
    """
    arrived, times = [at for at, *_ in pulled.frames], [info.pts / TICKS for _, info, _ in pulled.frames]
    lag = np.array(arrived) - np.array(times)
    first, second = np.array_split(lag, 2)
    assert abs(first.min() - second.min()) < 0.14 * pulled.watch.slowdown
    assert abs((len(times) - 1) / (times[-1] - times[0]) - rate) < 0.1 * rate * pulled.watch.slowdown


def assert_sound_has_no_gaps(pulled: Pulled, *, adjusted: int = 0) -> None:
    """Assert that audio is continuous. ``adjusted``: how often its clock may be corrected."""
    ends = [pts + len(samples) * TICKS / 48000 for pts, samples in pulled.sound]
    steps = [pts - end for end, (pts, _) in zip(ends, pulled.sound[1:], strict=False)]
    assert sum(abs(step) > 0.003 * TICKS for step in steps) <= adjusted
    assert max(map(abs, steps)) < 0.1 * TICKS
    assert max(len(samples) for _, samples in pulled.sound) <= 1024
