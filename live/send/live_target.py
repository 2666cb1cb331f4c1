"""Keep one target of a channel fed: start a process for each try, watch it, and try again when it fails."""

import logging
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from multiprocessing import Pipe
from multiprocessing.connection import wait

from sr4k.live.address import Address
from sr4k.live.channel_reports import TargetReport, TargetState
from sr4k.live.child import start_child
from sr4k.live.guarded import guarded
from sr4k.live.rate import Rate
from sr4k.live.retries import Retries, Tried, keep_trying
from sr4k.live.send.flv import Tag
from sr4k.live.send.push_process import Loaded, PushOrder, Ready, Stopped, Wrote
from sr4k.live.send.tag_queue import TagQueue
from sr4k.live.settings import HlsForm
from sr4k.live.wire_format import cleaned, is_number, unpack

log = logging.getLogger(__name__)

_NETWORK_AGE, _DISK_AGE = 1.0, 30.0
"""Maximum age of a tag when it is sent, in seconds, for targets on the network and on a disk."""

_OPENING, _DISK_OPENING = 8.0, 25.0
"""Seconds within which a target on the network must connect, and one on a disk be open.

The latter are fewer than the age of its tags: what is tried again still has the stream from its beginning.
"""

_STUCK = 4.0
"""Seconds after which a target that accepts no data counts as stuck."""

_IN_THE_PIPE = 1000
"""Up to this many milliseconds of the stream may be unacknowledged before the target counts as stuck."""

_PROVEN = 2.0
"""Seconds for which a target must have accepted data for the backoff to be reset."""

_LAST_WORD = 1.0
"""Seconds that a process may take to say why it has closed the pipe, and to exit after its last report."""

_GLANCE = 0.25
"""Longest time in seconds between two checks of the timeouts."""

_TURNING_OFF = 2.5
"""Seconds that a target which is turned off gets to send what is queued."""

_LARGEST_REPORT = 1 << 16
"""Size limit of one report from the target's process, in bytes."""


class LiveTarget:
    """A target that is kept connected by a thread of its own. `offer` never blocks.

    A target on a disk gets everything from the first picture on; one on the network gets what is recent.

    Args:
        target: its address.
        hls: segment form, for an HLS target.
        wants_key: called from another thread to request a key frame.
    """

    def __init__(self, target: Address, *, hls: HlsForm, wants_key: Callable[[], None]) -> None:
        self._target, self._hls = target, hls
        self._queue = TagQueue(_DISK_AGE if target.is_local else _NETWORK_AGE, wants_key)
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        self._ending = threading.Event()
        self._begun = threading.Event()  # whether the thread has tried once, or found the target turned off
        self._loaded = threading.Event()  # whether its first process has started, or never will
        self._until: float | None = None  # deadline for sending the rest, once `close` was called
        self._off_until: float | None = None  # the same, while it is turned off
        self._is_last = False  # whether the stream has ended, rather than been stopped
        self._thread = threading.Thread(target=guarded("target", self._run), name="target", daemon=True)
        self._state: TargetState = "connecting"
        self._reason = ""
        self._rate = Rate()
        # The try under way, and the connections and bytes of those before it: replaced as one, for `report`.
        self._tries: tuple[_Try | None, int, int] = None, 0, 0

    def start(self) -> None:
        """Start the thread, which connects."""
        self._queue.open()
        self._thread.start()

    def offer(self, header: bytes, tags: Sequence[Tag]) -> None:
        """Queue tags; ``header``: the FLV file header of their stream."""
        self._queue.offer(header, tags)
        self._notify()

    @property
    def is_loaded(self) -> bool:
        """Whether its first process has started, so that it takes no CPU time from the first pictures."""
        return self._loaded.is_set()

    def report(self) -> TargetReport:
        """Return what became of the target so far."""
        current, connects, arrived = self._tries
        arrived += 0 if current is None else current.bytes
        is_live = current is not None and current.is_live
        return TargetReport(
            target=str(self._target),
            state="live" if is_live else self._state,
            reason=self._reason or None,
            connects=connects + is_live,
            bytes=arrived,
            bitrate=self._rate.of(8 * arrived),
            dropped=self._queue.dropped,
            queue_seconds=self._queue.waiting,
        )

    def switch(self, *, on: bool) -> None:
        """Turn the target on or off. One that is off sends what is queued, closes, and gets nothing."""
        if on != (self._off_until is None):
            self._off_until = None if on else time.monotonic() + _TURNING_OFF
            self._notify()

    def close(self, seconds: float, *, ended: bool = False) -> None:
        """Send what is queued for at most ``seconds``, and stop; ``ended``: no stream will follow."""
        self._is_last = ended
        until = time.monotonic() + seconds
        if self._thread.is_alive():
            self._begun.wait(seconds)  # a stream can be shorter than its thread takes to begin
        self._ending.set()  # first, or the deadline would be taken for an operator's
        self._until = until
        self._notify()
        if self._thread.is_alive():
            self._thread.join()

    def _notify(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        fields = {"target": str(self._target)}
        retries = Retries(log, str(self._target), fields=fields)
        while not self._ending.is_set():
            keep_trying(
                lambda: self._one_try(retries),
                proven=_PROVEN,
                retries=retries,
                should_stop=lambda: self._deadline is not None,
                on_wait=self._wait_for_another,
            )
            if self._deadline is not None and not self._ending.is_set():
                log.warning("%s: turned off by an operator.", self._target, extra={**fields, "event": "off"})
                self._stay_off()
                if self._off_until is None:  # else all is over
                    log.warning("%s: turned on again.", self._target, extra={**fields, "event": "on"})
        self._state = "ended"

    def _stay_off(self) -> None:
        """Wait until the target is turned on, or all is over."""
        self._begun.set()
        self._loaded.set()
        self._queue.close()
        self._state, self._reason = "off", "turned off by an operator"
        while self._off_until is not None and not self._ending.wait(_GLANCE):
            pass
        self._state, self._reason = "connecting", ""
        self._queue.open()

    @property
    def _deadline(self) -> float | None:
        """Until when what is queued is sent; ``None``: the target goes on."""
        return self._off_until if self._until is None else self._until

    def _wait_for_another(self, reason: str) -> None:
        self._state, self._reason = "waiting", reason

    def _one_try(self, retries: Retries) -> Tried:
        self._state = "connecting"
        _, connects, arrived = self._tries
        try:
            current = _Try(
                self._target, self._hls, self._queue, self._wake, lambda: self._deadline, retries, self._loaded
            )
        except OSError as err:
            self._loaded.set()
            return Tried(f"no process could be started ({err.strerror})")
        finally:
            self._begun.set()
        self._tries = current, connects, arrived
        reason = current.run(lambda: self._is_last)
        self._loaded.set()
        self._tries = None, connects + current.is_live, arrived + current.bytes
        return Tried(reason, current.seconds, final=self._deadline is not None)


class _Try:
    """One process, from its start to its end.

    ``until`` returns the deadline for its end, once there is one; ``loaded`` is set when it has started.

    Raises:
        OSError: the process could not be started.
    """

    def __init__(
        self,
        target: Address,
        hls: HlsForm,
        queue: TagQueue,
        wake: int,
        until: Callable[[], float | None],
        retries: Retries,
        loaded: threading.Event,
    ) -> None:
        self._retries, self._loaded = retries, loaded
        self._queue, self._wake, self._until = queue, wake, until
        self._keeps = target.is_local  # whether tags are kept for it while it opens
        self._opening = _DISK_OPENING if target.is_local else _OPENING
        self._in_the_pipe = _IN_THE_PIPE + (1500 * hls.longest if target.is_local else 0)
        with ExitStack() as theirs, ExitStack() as ours:
            data_out, self._data = os.pipe()
            theirs.callback(os.close, data_out)
            ours.callback(os.close, self._data)
            os.set_blocking(self._data, False)
            self._reports, reports_in = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            theirs.enter_context(reports_in)
            ours.enter_context(self._reports)
            start_out, self._start = Pipe(duplex=False)
            theirs.enter_context(start_out)
            ours.enter_context(self._start)
            order = PushOrder(
                target=target, hls=hls, data=data_out, reports=reports_in.fileno(), start=start_out.fileno()
            )
            self._child = start_child(
                "sr4k.live.send.push_process", order, fds=(data_out, reports_in.fileno(), start_out.fileno())
            )
            ours.pop_all()  # they stay open
        self._unwritten = b""  # the rest of a tag that was partly written
        self._headed = self._started = False  # whether the stream's head, and the start time, were sent
        self._first: int | None = None  # the start time, ms
        self._moved = time.monotonic()  # when the target last accepted data, or had none to accept
        self._sent = self._out = 0  # stream times written to the pipe, and acknowledged, ms
        self._reason = ""
        self.is_ready = False
        self._since: float | None = None  # when the first data had arrived at the target
        self.bytes = 0

    @property
    def is_live(self) -> bool:
        """Whether any data has arrived at the target."""
        return self._since is not None

    @property
    def seconds(self) -> float:
        """Seconds since the first data arrived."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def run(self, is_last: Callable[[], bool]) -> str:
        """Feed the process until it ends or fails; return why. ``is_last``: whether the stream has ended."""
        if self._keeps:
            self._queue.rewind()
        else:
            self._queue.open()
        try:
            while not self._is_over():
                self._wait()
                self._read_reports()
                self._write()
        finally:
            if not self._keeps:
                self._queue.close()
            self._end(ended=is_last())
        return self._reason

    def _is_over(self) -> bool:
        now, until = time.monotonic(), self._until()
        if until is not None and not self._reason:
            return now >= until or (not (self._queue or self._unwritten) if self.is_ready else not self._keeps)
        limit = _STUCK if self.is_ready else self._opening
        if not self._reason and now - self._moved > limit:
            self._reason = f"it accepted no data for {limit:g} s" if self.is_ready else f"no answer for {limit:g} s"
        return bool(self._reason)

    def _wait(self) -> None:
        """Sleep until there is something to do."""
        poll = select.poll()
        poll.register(self._reports.fileno(), select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        if self._unwritten:
            poll.register(self._data, select.POLLOUT)
        poll.poll(1000 * _GLANCE)
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)

    def _read_reports(self) -> None:
        while not self._reason:
            try:
                packed = self._reports.recv(_LARGEST_REPORT, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                packed = b""
            if not packed:
                self._reason = self._cause()
                return
            self._handle(_read(packed))

    def _cause(self) -> str:
        """Return why the process reports no more."""
        try:
            return f"its process ended with exit code {self._child.wait(_LAST_WORD)}"
        except subprocess.TimeoutExpired:
            return "its process hangs"

    def _handle(self, report: Loaded | Ready | Wrote | Stopped | None) -> None:
        match report:
            case Loaded() if not self._loaded.is_set():
                self._moved = time.monotonic()
                self._loaded.set()
            case Ready():
                self.is_ready, self._moved = True, time.monotonic()
                if self._keeps:
                    self._send_start()
                else:
                    self._queue.open()  # the tags queued for stream probing are stale by now
            case Wrote(at, size) if size > self.bytes:
                self.bytes, self._out, self._moved = size, at, time.monotonic()
                if self._since is None:
                    self._since = self._moved
                    self._retries.connected("connected")
            case Stopped(reason):
                self._reason = cleaned(reason) or "it ended"
            case None:
                self._reason = "its process sent an invalid report"

    def _write(self) -> None:
        """Write to the pipe as much as it accepts without blocking."""
        while not self._reason:
            if not self._unwritten:
                self._unwritten = self._next()
            if not self._unwritten:
                if self.is_ready and self._sent - self._out < self._in_the_pipe:
                    self._moved = time.monotonic()
                return
            try:
                self._unwritten = self._unwritten[os.write(self._data, self._unwritten) :]
            except BlockingIOError:
                return
            except BrokenPipeError:
                if not wait([self._reports], _LAST_WORD):  # its last report says why
                    self._reason = "its process died"
                self._read_reports()
                return

    def _next(self) -> bytes:
        """Return the next bytes to send: the next tag, the first one preceded by the stream's head."""
        tag = self._queue.take()
        if tag is None:
            return b""
        if self._first is None and (self.is_ready or self._keeps):
            self._first = self._out = tag.time
        if self._first is not None:
            self._sent = tag.time
        if self.is_ready:
            self._send_start()
        if self._headed:
            return tag.data
        self._headed = True
        return self._queue.head() + tag.data

    def _send_start(self) -> None:
        """Send the process the time to start at, once, when it is ready and that time is known."""
        if not self._started and self._first is not None:
            self._started = True
            with suppress(OSError):
                self._start.send(self._first)

    def _end(self, *, ended: bool) -> None:
        """Let the process send what it has until the deadline; then kill it."""
        until = self._until()
        left = 0.0 if until is None or not self.is_ready else max(0.0, until - time.monotonic())
        if left and ended:
            with suppress(OSError):
                self._start.send(True)
        os.close(self._data)
        self._start.close()
        try:
            self._child.wait(left)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._read_reports()  # which count what arrived last
        self._reports.close()


def _read(packed: bytes) -> Loaded | Ready | Wrote | Stopped | None:
    """Parse a report; ``None`` if it is invalid. A stranger's server may have taken over libav: check everything."""
    try:
        match read := unpack(packed, _KINDS):
            case Loaded() | Ready() | Stopped(str()):
                return read
            case Wrote(at, size) if is_number(at) and is_number(size, 0):
                return read
    except Exception:
        return None
    return None


_KINDS: dict[str, type] = {kind.__name__: kind for kind in (Loaded, Ready, Wrote, Stopped)}
