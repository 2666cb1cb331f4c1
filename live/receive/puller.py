"""The handle on a puller's process: what it sends, and its end, however it came."""

import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import replace

from sr4k.errors import OptionError
from sr4k.live.address import Address
from sr4k.live.child import start_child
from sr4k.live.proxy import check_proxy
from sr4k.live.receive.link import Ended, IntakeEnd, NonsenseError, Opened, Sound, Tally, create_link
from sr4k.live.receive.pull_process import PullOrder
from sr4k.live.srt import ffmpegs, require_srt
from sr4k.live.tls import tls_options
from sr4k.media.video import VideoInfo
from sr4k.pipeline import Frame
from sr4k.pipeline.channel import Memory

STALL = 4.5
"""Seconds without a word after which a source that was there is taken for gone."""

_STALL_OF_HTTP = 12.0
"""Seconds; segments of a playlist come one at a time."""

_OPENING = 60.0
"""Seconds that opening may take, with all its tries, up to the first picture."""

_NO_PICTURE = 10.0
"""Seconds for which there may be sound and no picture."""

_LAST_WORD = 1.0
"""Seconds that a process may take to end when it has nothing more to say."""

_CAUSES = {
    signal.SIGXCPU: "its decoder was busy for half a minute without giving a picture",
    signal.SIGKILL: "its process was killed",
    signal.SIGSEGV: "its decoder crashed, or had no memory left",
    signal.SIGABRT: "its decoder gave up, or had no memory left",
}


class Puller:
    """One try: a process is started at once.

    Args:
        source: what to read.
        like: the frame that pictures must fit into; ``None``: the first picture decides.
    """

    def __init__(self, source: Address, *, like: VideoInfo | None = None) -> None:
        self._source = source
        self._stall = _STALL_OF_HTTP if source.kind == "http" else STALL
        ours, theirs = create_link()
        memory = Memory.create()
        self._link = IntakeEnd(ours, memory)
        with theirs:
            order = PullOrder(source=source, like=like, wire=theirs.fileno(), memory=memory.fd)
            programs = ffmpegs() if source.kind == "srt" else []
            self._child = start_child(
                "sr4k.live.receive.pull_process", order, fds=(theirs.fileno(), memory.fd), programs=programs
            )
        self._opened = False
        self._began = self._heard = self._saw = time.monotonic()
        self.tally = Tally()

    def receive(self, timeout: float) -> Frame | Opened | Sound | Ended | None:
        """What comes next, if anything comes within ``timeout`` seconds. After an `Ended` there is nothing more."""
        try:
            message = self._link.receive(timeout)
        except (EOFError, OSError):
            return Ended(self._cause())
        except NonsenseError:
            return Ended("its process no longer does what it was started for")
        now = time.monotonic()
        if isinstance(message, Tally):
            if message.pictures > self.tally.pictures:
                self._saw = now
            self.tally, self._heard = message, now
        elif isinstance(message, Frame | Opened):
            self._opened, self._saw, self._heard = True, now, now
        elif isinstance(message, Sound):
            self._heard = now
        elif isinstance(message, Ended):
            return message if not message.final or self._may_be_final() else replace(message, final=False)
        if (overdue := self._overdue(now)) is not None:
            if isinstance(message, Frame):
                message.release()
            return Ended(overdue)
        return None if isinstance(message, Tally) else message

    def go_on(self) -> None:
        """After an `Opened`, for which it waits: pictures may come."""
        with suppress(OSError):  # it died meanwhile, as will be seen
            self._link.make_room()
        self._saw = self._heard = time.monotonic()

    def kill(self) -> None:
        """End it, whatever it does."""
        with suppress(OSError):
            self._child.kill()
        self._child.wait()
        self._link.close()

    def _overdue(self, now: float) -> str | None:
        """What should have come by now."""
        if not self._opened:
            return f"no picture came within {_OPENING:g} s, or no key frame" if now - self._began > _OPENING else None
        if now - self._heard > self._stall:
            return f"nothing came for {self._stall:g} s"
        return f"there was sound, but no picture for {_NO_PICTURE:g} s" if now - self._saw > _NO_PICTURE else None

    def _may_be_final(self) -> bool:
        """Whether another try is of no use: who reads from strangers is not believed where that can be seen here."""
        if self._source.kind in ("file", "pattern"):
            return True
        try:
            tls_options(self._source)
            check_proxy(self._source)
            if self._source.kind == "srt":
                require_srt()
        except OptionError:
            return True
        return False

    def _cause(self) -> str:
        """What became of a process that went without a word."""
        try:
            code = self._child.wait(_LAST_WORD)
        except subprocess.TimeoutExpired:
            return "its process hangs"
        if code < 0:
            return _CAUSES.get(signal.Signals(-code), f"its process was ended by {signal.Signals(-code).name}")
        return f"its process ended with exit code {code}"
