"""The handle on a puller's process: what it sends, and its end, however it came."""

import multiprocessing
import signal
import time
from contextlib import suppress

from sr4k.live.address import Address
from sr4k.live.child import start_child
from sr4k.live.link import Ended, IntakeEnd, Opened, Sound, Tally
from sr4k.live.pull import Order
from sr4k.pipeline import Frame
from sr4k.pipeline.channel import Memory
from sr4k.stages.video import VideoInfo

STALL = 4.5
"""Seconds without a word after which a source that was there is taken for gone."""

_OPENING = 30.0
"""Seconds that opening may take, with all its tries."""

_NO_PICTURE = 10.0
"""Seconds for which there may be sound and no picture."""

_CAUSES = {
    signal.SIGXCPU: "its decoder was busy for half a minute without giving a picture",
    signal.SIGKILL: "its process was killed",
}


class Puller:
    """One try: a process is started at once.

    Args:
        source: what to read.
        like: the frame that pictures must fit into; ``None``: the first picture decides.
        size: width and height, if they are not to be the first picture's.
    """

    def __init__(self, source: Address, *, like: VideoInfo | None = None, size: tuple[int, int] | None = None) -> None:
        ours, theirs = multiprocessing.Pipe()
        memory = Memory.create()
        with theirs:
            order = Order(source, like, size, theirs.fileno(), memory.fd)
            self._child = start_child("sr4k.live.pull", order, fds=(theirs.fileno(), memory.fd))
        self._link = IntakeEnd(ours, memory)
        self._opened = False
        self._heard = self._saw = time.monotonic()
        self.tally = Tally()

    def receive(self, timeout: float) -> Frame | Opened | Sound | Ended | None:
        """What comes next, if anything comes within ``timeout`` seconds. After an `Ended` there is nothing more."""
        try:
            message = self._link.receive(timeout)
        except (EOFError, OSError):
            return Ended(self._cause())
        now = time.monotonic()
        if message is None:
            return self._silent(now)
        self._heard = now
        if isinstance(message, Tally):
            self.tally = message
            return None
        if isinstance(message, Frame | Opened):
            self._opened, self._saw = True, now
        elif self._opened and now - self._saw > _NO_PICTURE:
            return Ended(f"there was sound, but no picture for {_NO_PICTURE:.0f} s")
        return message

    def kill(self) -> None:
        """End it, whatever it does."""
        with suppress(OSError):
            self._child.kill()
        self._child.wait()
        self._link.close()

    def _silent(self, now: float) -> Ended | None:
        limit = STALL if self._opened else _OPENING
        return Ended(f"nothing came for {limit:g} s") if now - self._heard > limit else None

    def _cause(self) -> str:
        """What became of a process that went without a word."""
        code = self._child.wait()
        if code < 0:
            return _CAUSES.get(signal.Signals(-code), f"its process was ended by {signal.Signals(-code).name}")
        return f"its process ended with exit code {code}"
