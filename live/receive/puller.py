"""Handle on a puller's process: receives its messages, enforces timeouts, and explains how it ended."""

import signal
import subprocess
import time
from contextlib import ExitStack, suppress
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
"""Seconds without a message after which an open source counts as gone."""

_STALL_OF_HTTP = 12.0
"""The same for HTTP, in seconds: segments of a playlist arrive one at a time."""

_OPENING = 60.0
"""Timeout of opening a source, with all its retries, up to the first picture, in seconds."""

_NO_PICTURE = 10.0
"""Maximum seconds of sound without a picture."""

_LAST_WORD = 1.0
"""Seconds that a process may take to exit after it has closed the link."""

_CAUSES = {
    signal.SIGXCPU: "its decoder used 30 s of CPU time without producing a picture",
    signal.SIGKILL: "its process was killed",
    signal.SIGSEGV: "its decoder crashed, or ran out of memory",
    signal.SIGABRT: "its decoder aborted, or ran out of memory",
}


class Puller:
    """One connection, by a process of its own that is started at once.

    Args:
        source: address to read.
        like: description of the frames that pictures are fitted into; ``None``: that of the first picture.

    Raises:
        OSError: the process can't be started.
    """

    def __init__(self, source: Address, *, like: VideoInfo | None = None) -> None:
        self._source = source
        self._stall = _STALL_OF_HTTP if source.kind == "http" else STALL
        ours, theirs = create_link()
        with theirs, ExitStack() as unstarted:
            unstarted.enter_context(ours)
            memory = Memory.create()
            self._link = IntakeEnd(ours, memory)
            unstarted.callback(self._link.close)
            order = PullOrder(source=source, like=like, wire=theirs.fileno(), memory=memory.fileno())
            programs = ffmpegs() if source.kind == "srt" else []
            self._child = start_child(
                "sr4k.live.receive.pull_process", order, fds=(theirs.fileno(), memory.fileno()), programs=programs
            )
            unstarted.pop_all()  # what is open stays open
        self._opened = False
        self._began = self._heard = self._saw = time.monotonic()
        self.tally = Tally()

    def receive(self, timeout: float) -> Frame | Opened | Sound | Ended | None:
        """Return the next frame or message; ``None`` after ``timeout`` seconds without one. `Ended` is the last one."""
        try:
            message = self._link.receive(timeout)
        except (EOFError, OSError):
            return Ended(self._cause())
        except NonsenseError:
            return Ended("its process sent an invalid message")
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
        """Let the puller send frames: after an `Opened` message it waits for this."""
        with suppress(OSError):  # it died meanwhile, which `receive` will report
            self._link.make_room()
        self._saw = self._heard = time.monotonic()

    def kill(self) -> None:
        """Kill the process and close the link."""
        with suppress(OSError):
            self._child.kill()
        self._child.wait()
        self._link.close()

    def _overdue(self, now: float) -> str | None:
        """Return what has not arrived in time, or ``None``."""
        if not self._opened:
            return f"no picture came within {_OPENING:g} s, or no key frame" if now - self._began > _OPENING else None
        if now - self._heard > self._stall:
            return f"nothing came for {self._stall:g} s"
        return f"there was sound, but no picture for {_NO_PICTURE:g} s" if now - self._saw > _NO_PICTURE else None

    def _may_be_final(self) -> bool:
        """Whether another try is pointless, checked in this process: the puller's own word is not trusted."""
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
        """Return why a process exited without an `Ended` message."""
        try:
            code = self._child.wait(_LAST_WORD)
        except subprocess.TimeoutExpired:
            return "its process hangs"
        if code < 0:
            return _CAUSES.get(signal.Signals(-code), f"its process was ended by signal {signal.Signals(-code).name}")
        return f"its process ended with exit code {code}"
