"""Start the workers of a graph as forks of a process that has imported what most of them need.

Each worker would otherwise import NumPy, PyAV and the stages by itself, a third of a second each. The process that
forks is new, has one thread of its own, and has opened no GPU: what makes forks unsafe in any other program.
"""

import errno
import gc
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from ctypes import CDLL
from importlib import import_module
from itertools import pairwise
from typing import Any, BinaryIO

from setproctitle import setproctitle

from sr4k.pipeline.spawning import received, spawn
from sr4k.pipeline.starting import deaf, ignore_signals, packed

_HEAD = struct.Struct("!QQ")
"""Head of an order: its size in bytes, and the number of descriptors that the worker inherits, which come first."""

_NEWS = struct.Struct("!Bqq")
"""Kind of news, number of the worker, and its process ID (`_STARTED`), exit code (`_ENDED`), or errno (`_REFUSED`)."""

_STARTED, _ENDED, _REFUSED = range(3)

_AT_ONCE = 128
"""Number of descriptors sent at once; Linux allows 253 (``SCM_MAX_FD``)."""

_STANDARD = 3
"""Number of descriptors that each process has: standard input, output and error."""

_PR_SET_PDEATHSIG = 1

_UNKNOWN = 255
"""Exit code of a worker that was never forked."""

_DYING = 2.0
"""Seconds that the process gets to end by itself."""


class ForkServer:
    """A process that forks others, which end with it; it ends with the thread that started it, or with `close`.

    Args:
        modules: names of modules to import before anything is forked. They must start no threads and open no GPU.

    Raises:
        OSError: the process can't be started.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._line, theirs = socket.socketpair()
        with theirs, deaf():
            self._process, pipe = spawn(__name__, "sr4k-workers", fds=[theirs.fileno()])
            with suppress(BrokenPipeError), pipe:
                pickle.dump((theirs.fileno(), tuple(modules)), pipe)
        self._workers: list[Forked] = []
        self._news = bytearray()

    def start(self, name: str, function: Callable[..., None], *args: Any) -> "Forked":
        """Call a function in a process of its own, as `sr4k.pipeline.starting.start_process` does.

        Standard input, output and error are those of this process now.

        Raises:
            OSError: a descriptor can't be sent.
            pickle.PicklingError: an argument can't be sent.
        """
        work, inherited = packed(function, *args)
        inherited = [*filter(is_open, range(_STANDARD)), *inherited]
        order = pickle.dumps((name, inherited, work))
        with suppress(ConnectionError):  # the caller notices that the server has died
            self._line.sendall(_HEAD.pack(len(order), len(inherited)))
            for first in range(0, len(inherited), _AT_ONCE):
                socket.send_fds(self._line, [b"\0"], inherited[first : first + _AT_ONCE])
            self._line.sendall(order)
        self._workers.append(Forked(self))
        return self._workers[-1]

    def close(self) -> None:
        """End the process, and with it those that it has forked and that still run."""
        self._line.close()
        try:
            self._process.wait(_DYING)
        except subprocess.TimeoutExpired:  # it may wait for a dead disk
            self.kill()

    def kill(self) -> None:
        """Kill the process, and with it those that it has forked, without waiting for their ends."""
        self._process.kill()

    def heed(self, timeout: float) -> None:
        """Enter what has happened to the workers; wait for something to happen, for so many seconds."""
        polled = select.poll()
        polled.register(self._line, select.POLLIN)
        if not polled.poll(timeout * 1000):
            return
        try:
            news = self._line.recv(1 << 16)
        except ConnectionError:
            news = b""
        if not news:
            self._end_all()
        self._news += news
        while len(self._news) >= _NEWS.size:
            kind, number, value = _NEWS.unpack_from(self._news)
            del self._news[: _NEWS.size]
            worker = self._workers[number]
            if kind == _STARTED:
                worker.pid = value
            elif kind == _ENDED:
                worker.returncode = value
            else:
                worker.returncode, worker.refusal = _UNKNOWN, OSError(value, os.strerror(value))

    def _end_all(self) -> None:
        """Enter that all workers have ended, since the server has: by its own exit code, or killed as it was."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_DYING)
        code = self._process.returncode or -signal.SIGKILL
        for worker in self._workers:
            worker.returncode = code if worker.returncode is None else worker.returncode


class Forked:
    """A process that a `ForkServer` has forked, with the methods of `subprocess.Popen` that a supervisor needs.

    Attributes:
        pid: process ID, once it is known. Another process doesn't get it before the server has ended.
        returncode: exit code, or the negative number of the signal that ended it; ``None``: it runs, as far as known.
        refusal: why it couldn't be forked, if that is so.
    """

    def __init__(self, server: ForkServer) -> None:
        self._server = server
        self.pid: int | None = None
        self.returncode: int | None = None
        self.refusal: OSError | None = None

    def poll(self) -> int | None:
        """Return the exit code, or ``None`` while it runs."""
        if self.returncode is None:
            self._server.heed(0)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait for its end, and return the exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs after so many seconds.
        """
        end = time.monotonic() + timeout
        while self.poll() is None:
            left = end - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired("worker", timeout)
            self._server.heed(left)
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """Kill the process; if it hasn't been forked yet, the server."""
        self._server.heed(0)
        if self.returncode is not None:
            return
        if self.pid is None:
            self._server.kill()
        else:
            with suppress(ProcessLookupError):  # it has just ended with the server
                os.kill(self.pid, signal.SIGKILL)


_waiting: list[ForkServer] = []


@contextmanager
def warmed_up(*modules: str) -> Iterator[None]:
    """Start the server of the first graph that runs inside, so that it imports the modules while the graph is made."""
    with suppress(OSError):  # the graph says what can't be started
        _waiting.append(ForkServer(modules))
    try:
        yield
    finally:
        while _waiting:
            unused = _waiting.pop()
            unused.kill()
            unused.close()


def fork_server(modules: Sequence[str]) -> ForkServer:
    """Return a server that the caller closes: the one that is warm, or a new one.

    Raises:
        OSError: the process can't be started.
    """
    try:
        return _waiting.pop()
    except IndexError:
        return ForkServer(modules)


def run(_name: str, pipe: BinaryIO) -> None:
    """Fork a process for each order, and become it there."""
    ignore_signals()
    with pipe:
        descriptor, modules = received(pipe)
    for module in modules:
        import_module(module)
    gc.freeze()  # or collections in the forks would write to all of its pages, which copies them
    work = None
    with socket.socket(fileno=descriptor) as line, suppress(ConnectionError):  # which leaves news that nobody reads
        work = _serve(line)
    if work is not None:
        function, args = pickle.loads(work)
        function(*args)


def _serve(line: socket.socket) -> bytes | None:
    """Return the work of a worker in its process; in that of the server ``None``, when the line is closed."""
    server = os.getpid()
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # else it would not write to the pipe
    polled = select.poll()
    polled.register(line, select.POLLIN)
    polled.register(woken, select.POLLIN)
    running: dict[int, int] = {}  # numbers of workers, by process ID
    started = 0
    while True:
        for descriptor, _ in polled.poll():
            if descriptor == woken:
                os.read(woken, 512)  # a byte for each signal; what is left wakes it again
                for pid, code in [*_ends(running)]:
                    line.sendall(_NEWS.pack(_ENDED, running.pop(pid), code))
                continue
            order = _order(line)
            if order is None:
                _reap()
                return None
            (name, inherited, work), descriptors = order
            try:
                if len(descriptors) < len(inherited):
                    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
                pid = os.fork()
            except OSError as err:
                line.sendall(_NEWS.pack(_REFUSED, started, err.errno or errno.EAGAIN))
            else:
                if pid == 0:
                    _end_with(server)
                    _become(name, [line.detach(), woken, wake], descriptors, inherited)
                    return bytes(work)
                running[pid] = started
                line.sendall(_NEWS.pack(_STARTED, started, pid))
            for each in descriptors:
                os.close(each)
            started += 1


def _ends(running: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield ID and exit code of the processes that have ended; a negative code is the signal that ended it.

    They keep their entries: else another process could get the ID before the supervisor knows of the end.
    """
    for pid in running:
        told = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if told is not None:
            yield pid, told.si_status if told.si_code == os.CLD_EXITED else -told.si_status


def _reap() -> None:
    """Remove the entries of processes that have ended: their CPU time then counts as this one's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _order(line: socket.socket) -> tuple[Any, list[int]] | None:
    """Receive an order and the descriptors that come with it; ``None``: the line is closed.

    There are fewer descriptors than were sent if this process may have no more.
    """
    head = _received(line, _HEAD.size)
    if head is None:
        return None
    size, count = _HEAD.unpack(head)
    descriptors: list[int] = []
    for _ in range(0, count, _AT_ONCE):
        mark, some, _, _ = socket.recv_fds(line, 1, _AT_ONCE)
        if not mark:
            return None
        descriptors += some
    order = _received(line, size)
    return None if order is None else (pickle.loads(order), descriptors)


def _received(line: socket.socket, size: int) -> bytes | None:
    """Return so many bytes; ``None``: the line was closed before."""
    found = bytearray()
    while len(found) < size:
        part = line.recv(size - len(found))
        if not part:
            return None
        found += part
    return bytes(found)


def _end_with(server: int) -> None:
    """Let the kernel kill this process when the server ends; end it if that has happened before."""
    CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)


def _become(name: str, own: Sequence[int], descriptors: Sequence[int], inherited: Sequence[int]) -> None:
    """Make this fork the worker of that name, which has no descriptors but the standard ones and those inherited.

    Args:
        own: descriptors of the server.
        descriptors: those for the worker, as they were received.
        inherited: numbers that the worker knows them by.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sys.argv[2] = name
    os.environ["SPT_NOENV"] = "1"  # setproctitle would write over the environment that /proc shows
    setproctitle(name)
    del os.environ["SPT_NOENV"]
    for each in own:
        os.close(each)
    _renumber(list(descriptors), inherited)
    kept = sorted({*range(_STANDARD), *inherited})
    for below, above in pairwise(kept):
        os.closerange(below + 1, above)


def _renumber(descriptors: list[int], wanted: Sequence[int]) -> None:
    """Give descriptors the numbers that are wanted, with no more than one number beside these at a time."""
    for index, target in enumerate(wanted):
        source = descriptors[index]
        if source == target:
            os.set_inheritable(target, target < _STANDARD)
            continue
        if target in descriptors[index + 1 :]:  # which moves to another number
            descriptors[descriptors.index(target, index + 1)] = os.dup(target)
        os.dup2(source, target, inheritable=target < _STANDARD)
        os.close(source)


def is_open(descriptor: int) -> bool:
    """Whether this process has a descriptor of this number."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
