"""Jobs while they run: in the calling thread, in a thread of their own, or awaited. All of them can be cancelled."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from typing import Any, Generic, TypeVar

_DRAIN = 8.0
"""Seconds that a job which others keep waiting gets to end after the first request."""

Seen = TypeVar("Seen")
"""Type of a job's progress."""

Result = TypeVar("Result")
"""Type of a job's summary."""


class RunningJob(Generic[Seen, Result]):
    """A job that runs in a thread of its own. ``await`` waits for it too; cancelling the task cancels the job.

    The program waits for the thread before it exits. All of this may be called from any thread.
    """

    def __init__(self, job: "Startable[Seen, Result]", on_progress: Callable[[Seen], None], first: Seen) -> None:
        self._progress = first
        self._on_progress = on_progress
        self._end: Future[Result] = Future()
        self._cancelling = ExitStack()
        self._stop = self._cancelling.enter_context(job.cancellable())
        try:
            threading.Thread(target=copy_context().run, args=(self._run, job), name="sr4k-job").start()
        except BaseException:
            self._cancelling.close()
            raise

    def _run(self, job: "Startable[Seen, Result]") -> None:
        try:
            with self._cancelling:
                result = job.run(on_progress=self._see, stop_requests=self._stop)
        except BaseException as err:
            self._end.set_exception(err)
        else:
            self._end.set_result(result)

    def _see(self, progress: Seen) -> None:
        self._progress = progress
        self._on_progress(progress)

    @property
    def progress(self) -> Seen:
        """The latest progress of the job."""
        return self._progress

    @property
    def done(self) -> bool:
        """Whether the job has ended, by success, error or cancellation."""
        return self._end.done()

    def cancel(self, *, at_once: bool = False) -> None:
        """Ask the job to end, and return without waiting for the end; see `Startable.cancel`."""
        self._stop.ask(at_once=at_once)

    def result(self, timeout: float | None = None) -> Result:
        """Wait until the job has ended, and return its summary. ``KeyboardInterrupt`` in this thread cancels the job.

        Args:
            timeout: maximum seconds to wait; ``None``: no limit.

        Raises:
            TimeoutError: the job has not ended within the timeout; it goes on.
            Exception: whatever ``run`` of the job raises.
        """
        try:
            return self._end.result(timeout)
        except KeyboardInterrupt:
            self.cancel()
            raise

    def __await__(self) -> Generator[Any, None, Result]:
        return self._ended().__await__()

    async def _ended(self) -> Result:
        """Wait for the end, also when the task is cancelled: what was done so far is kept. Twice means at once."""
        import asyncio  # as whoever awaits has done

        end, cancelled = asyncio.wrap_future(self._end), 0
        while not end.done():
            try:
                await asyncio.wait([end])
            except asyncio.CancelledError:
                cancelled += 1
                self.cancel(at_once=cancelled > 1)
        if cancelled:
            end.exception()  # asyncio would complain that nobody asked
            raise asyncio.CancelledError
        return end.result()


class Startable(ABC, Generic[Seen, Result]):
    """A job: ``run`` it, ``start`` it in a thread of its own, or ``await`` it. It may be used again."""

    @abstractmethod
    def run(
        self, *, on_progress: Callable[[Seen], None] | None = None, stop_requests: Callable[[], int] = lambda: 0
    ) -> Result:
        """Run the job in this thread, and return its summary when it has ended."""

    @abstractmethod
    def _before(self) -> Seen:
        """Return the progress before the start."""

    def start(self, *, on_progress: Callable[[Seen], None] = lambda _progress: None) -> RunningJob[Seen, Result]:
        """Start the job in a thread of its own, and return without waiting for its end.

        Args:
            on_progress: called in that thread several times a second. An exception that it raises ends the job.
        """
        return RunningJob(self, on_progress, self._before())

    def __await__(self) -> Generator[Any, None, Result]:
        return self.start().__await__()

    def cancel(self, *, at_once: bool = False) -> None:
        """Ask all runs of this job that are under way to end. May be called from any thread, and from ``on_progress``.

        Args:
            at_once: end without finishing what has been read; frames done so far can still be resumed.
        """
        for stop in list(self._stops):
            stop.ask(at_once=at_once)

    @property
    def _stops(self) -> "list[Stop]":
        stops: list[Stop] = vars(self).setdefault("_stops_of_runs", [])
        return stops

    @contextmanager
    def cancellable(self, requests: Callable[[], int] = lambda: 0) -> Iterator["Stop"]:
        """Let `cancel` reach a run that is under way inside.

        Yields:
            The stop requests: those of `cancel`, and ``requests`` of others.
        """
        stop = Stop(requests)
        self._stops.append(stop)
        try:
            yield stop
        finally:
            self._stops.remove(stop)


class Impatient:
    """Counts stop requests, and adds a second one when the first has not ended a job in time.

    It is for jobs that may wait for others for ever: live ones, and those whose result goes to a pipe.
    """

    def __init__(self, requests: Callable[[], int]) -> None:
        self._requests = requests
        self._asked: float | None = None

    def __call__(self) -> int:
        requests = self._requests()
        if not requests:
            return 0
        now = time.monotonic()
        self._asked = now if self._asked is None else self._asked
        return max(2, requests) if now - self._asked > _DRAIN else requests


class Stop:
    """Counts stop requests; called, it returns their number. At two, a run ends at once."""

    def __init__(self, others: Callable[[], int]) -> None:
        self._asked, self._others = 0, others

    def ask(self, *, at_once: bool) -> None:
        self._asked = max(self._asked, 2 if at_once else 1)

    def __call__(self) -> int:
        return max(self._asked, self._others())
