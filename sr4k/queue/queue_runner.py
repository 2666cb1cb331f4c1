"""Runs the jobs of a queue: as many at once, and in such hours, as is wanted, each in a process of its own."""

import fcntl
import json
import logging
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from sr4k.cluster.job import Reached
from sr4k.engines.cpu import granted_cpus
from sr4k.errors import OutputError, Sr4kError, WorkerError
from sr4k.pipeline.starting import start_process
from sr4k.queue.errand import told
from sr4k.queue.going_on import GoingOn
from sr4k.queue.job_queue import Queue, WrongState
from sr4k.queue.keeper import SettingsKeeper
from sr4k.queue.queued_job import JobProgress, JobResult, QueuedJob
from sr4k.queue.settings import Library
from sr4k.queue.settling import finish_moves
from sr4k.queue.work import STOP, work

log = logging.getLogger(__name__)

_TICK = 0.3
"""Seconds between two looks at what is wanted."""

_FAREWELL = 5.0
"""Seconds that the process of a job gets to end after it has told the job's end."""

_ENDS = "done", "failed", "stopped"
"""What a job tells last."""

_DRAIN = 8.0
"""Seconds that a job gets to end before its process is killed; what it has finished is kept in both cases."""


@dataclass(slots=True)
class _Child:
    number: int
    process: "subprocess.Popen[bytes]"
    connection: Connection
    asked: float | None = None  # when it was asked to end
    ended: float | None = None  # when its end was noted
    unnoted: dict[str, Any] | None = field(default=None)  # what it told and the queue could not note yet


class Runner:
    """Runs jobs in a thread of its own, from `start` to `stop`; a context manager does both.

    The processes of jobs end with that thread at the latest, also when this process is killed.

    Args:
        cluster: whose machines make the segments of jobs; ``None``: this one does.
        on_end: called in that thread with each job that is done or has failed.
        at_once: whether jobs that are to end get no time to do so.
        now: the time of the day.
    """

    def __init__(
        self,
        queue: Queue,
        library: Library,
        settings: SettingsKeeper,
        *,
        cluster: Reached | None = None,
        on_end: Callable[[QueuedJob], None] = lambda _job: None,
        at_once: Callable[[], bool] = lambda: False,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._queue, self._library, self._settings = queue, library, settings
        self._cluster, self._on_end, self._at_once, self._now = cluster, on_end, at_once, now
        self._children: list[_Child] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sr4k-queue", daemon=True)

    def start(self) -> None:
        """Begin to run jobs. Those that ran when their service was killed wait for their turn again.

        Raises:
            OutputError: another service runs this queue.
        """
        self._lock = self._queue.path.with_name(f"{self._queue.path.name}.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise OutputError(f"Another service runs the queue {self._queue.path}: end it first.") from None
        for job in self._queue.jobs(["running"]):
            self._queue.stopped(job.id)
        finish_moves(self._queue, self._library)
        self._thread.start()

    def stop(self) -> None:
        """End all jobs that run; they wait for their turn again. Return when they have ended."""
        self._ending.set()
        self._thread.join()
        self._lock.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _run(self) -> None:
        steady = GoingOn("The queue", time.sleep)  # jobs go on, and are seen to as soon as that is possible
        while not self._ending.is_set() or self._children:
            with steady.round():
                self._tend()
                self._listen()

    def _tend(self) -> None:
        """End the jobs that should not run, and start those that should."""
        settings = self._settings.now
        ours = {child.number for child in self._children}
        for running in self._queue.jobs(["running"]):
            if running.id not in ours:  # its end could not be noted
                self._queue.stopped(running.id)
        reason = self._reason_to_rest()
        for child in self._children:
            if child.ended is None:
                self._steer(child, reason)
            elif time.monotonic() - child.ended > _FAREWELL:
                child.process.kill()
        while reason is None and len(self._children) < settings.at_once and (job := self._queue.next()) is not None:
            self._begin(job, max(1, granted_cpus() // settings.at_once))

    def _steer(self, child: _Child, reason: str | None) -> None:
        """Ask a job that runs to end, if somebody wants that, or there is a reason."""
        if reason is not None:
            self._queue.ask_to_wait(child.number, reason)
        if child.asked is None and self._queue.get(child.number).asked is not None:
            child.asked = time.monotonic()
            _send_stop(child.connection)
        if child.asked is not None and (time.monotonic() - child.asked > _DRAIN or self._at_once()):
            child.process.kill()

    def _reason_to_rest(self) -> str | None:
        if self._ending.is_set():
            return "The service was ended."
        if self._queue.is_paused:
            return "The queue is paused."
        hours = self._settings.now.hours
        return None if self._settings.now.is_time(self._now()) else f"Jobs run from {hours}."

    def _begin(self, job: QueuedJob, cpus: int) -> None:
        try:
            job = self._queue.begin(job.id)
        except WrongState:  # it was paused in this moment
            return
        try:
            for path in (job.source, job.target):  # the library may be another than when it was added
                self._library.inside(path)
        except (OSError, Sr4kError) as err:
            reason = told(err)
            self._failed(job.id, reason["error"], reason["code"])
            return
        is_ours = self._queue.has_begun(job.target)
        here, there = Pipe()
        try:
            given = job.model_dump_json(), is_ours, cpus, self._cluster
            process = start_process(f"sr4k-job-{job.id}", work, there, *given)
        except OSError as err:
            here.close()
            self._failed(job.id, f"No process could be started ({err.strerror}).", WorkerError.exit_code)
        else:
            self._children.append(_Child(job.id, process, here))
        finally:
            there.close()

    def _listen(self) -> None:
        """Take the messages of all jobs, and wait a while for the next."""
        if not self._children:
            self._ending.wait(_TICK)
            return
        for child in self._children:
            try:
                self._note(child)
            except Sr4kError:
                if self._ending.is_set():  # the next service finds out by itself
                    child.unnoted = None
                raise
        by_end = {child.connection: child for child in self._children}
        until = time.monotonic() + _TICK
        for connection in wait(list(by_end), _TICK):
            child = by_end[connection]  # type: ignore[index]
            try:
                message = json.loads(child.connection.recv_bytes())
            except (EOFError, OSError):
                self._gone(child)
                continue
            if message["event"] == "progress":  # the next says as much
                self._queue.tell_progress(child.number, JobProgress.model_validate(message["progress"]))
            else:
                child.unnoted = message
                self._note(child)
        if any(child.ended is not None for child in self._children):
            time.sleep(max(0.0, min(0.05, until - time.monotonic())))

    def _note(self, child: _Child) -> None:
        """Note what a job has told, if anything; it is tried again where that fails."""
        if child.unnoted is None:
            return
        message, number = child.unnoted, child.number
        match message["event"]:
            case "forecast":
                self._queue.foretell(number, message["forecast"])
            case "again":
                log.warning("Job %d is begun again: %s", number, message["why"])
            case "done":
                self._ended(self._queue.finish(number, JobResult.model_validate(message["result"])))
            case "failed":
                self._failed(number, message["error"], message["code"])
            case _:
                self._queue.stopped(number)
        child.unnoted = None
        if message["event"] in _ENDS:
            child.ended = time.monotonic()

    def _gone(self, child: _Child) -> None:
        """A process has ended, or died."""
        self._children.remove(child)
        child.connection.close()
        try:
            code = child.process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            child.process.kill()
            code = child.process.wait()
        if child.ended is not None:
            return
        if child.asked is not None:
            self._queue.stopped(child.number)
        else:
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            self._failed(child.number, f"The process of the job died {how}; to retry goes on.", WorkerError.exit_code)

    def _failed(self, number: int, error: str, code: int) -> None:
        log.error("Job %d failed: %s", number, error, extra={"event": "job failed"})
        self._ended(self._queue.fail(number, error, code))

    def _ended(self, job: QueuedJob) -> None:
        try:
            self._on_end(job)
        except Exception as err:  # the end is noted, and other jobs go on
            log.error("Job %d: %s", job.id, err, exc_info=not isinstance(err, OSError | Sr4kError))


def _send_stop(connection: Connection) -> None:
    try:
        connection.send_bytes(STOP)
    except OSError:  # it has just ended
        log.debug("A job ended as it was asked to", exc_info=True)
