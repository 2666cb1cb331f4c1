"""Keeps threads out of libraries while the interpreter ends.

Python ends a daemon thread where it next asks for the interpreter's lock. If that is inside a C++ library, such as
OpenVINO, C++ aborts the whole process ("terminate called without an active exception").
"""

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

_PATIENCE = 10.0
"""Seconds that the end of the interpreter waits for threads that are inside."""


class ExitGate:
    """Lets threads into libraries until the interpreter ends; then those inside come out, and no other goes in.

    The main thread may still go in: exit handlers of the program may upscale.
    """

    def __init__(self) -> None:
        self._passing = _Passing(self)
        self.begin()

    def begin(self) -> None:
        """Begin with nobody inside."""
        self._changed = threading.Condition()
        self._inside, self._is_ending = 0, False
        self._own = threading.local()

    def inside(self) -> AbstractContextManager[None]:
        """Be inside; a thread that comes too late waits here until the process has ended, unless it is inside already.

        Locks that exit handlers may need are taken inside: a thread that has one would wait with it for ever.
        """
        return self._passing

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Be outside for a while, as for code of the program's, which may wait for anything."""
        self._leave()
        try:
            yield
        finally:
            self._enter()

    def end(self) -> None:
        """Let no other thread in, and wait for the others that are inside."""
        with self._changed:
            self._is_ending = True
            self._changed.wait_for(lambda: self._inside <= self._depth, _PATIENCE)

    def _enter(self) -> None:
        depth = self._depth
        with self._changed:
            while self._is_ending and not depth and threading.current_thread() is not threading.main_thread():
                self._changed.wait()
            self._inside += 1
        self._own.depth = depth + 1

    def _leave(self) -> None:
        self._own.depth = self._depth - 1
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    @property
    def _depth(self) -> int:
        """How often this thread is inside."""
        depth: int = getattr(self._own, "depth", 0)
        return depth


class _Passing:
    """What `ExitGate.inside` returns: a class costs less than a generator, and each call of an Upscaler passes."""

    def __init__(self, gate: ExitGate) -> None:
        self._gate = gate

    def __enter__(self) -> None:
        self._gate._enter()

    def __exit__(self, *_: object) -> None:
        self._gate._leave()


gate = ExitGate()
atexit.register(gate.end)
os.register_at_fork(after_in_child=gate.begin)  # the parent's other threads are gone, and may have held the lock
