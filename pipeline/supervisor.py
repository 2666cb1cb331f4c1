"""The supervisor: starts the workers of a graph, watches them, and makes sure that all of them end."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, Pipe, wait
from typing import Literal

from sr4k.pipeline.channel import Inlet, Outlet, create_channel
from sr4k.pipeline.fork_server import Forked, ForkServer, fork_server
from sr4k.pipeline.lanes import Dealer, Gatherer
from sr4k.pipeline.stage import Report
from sr4k.pipeline.worker import STOP, Done, Failed, Lost, WorkerSpec, WorkerStatus, run_in_process, run_in_thread

Mode = Literal["processes", "threads"]

_TICK = 0.1
"""Seconds between two checks of the stop requests."""

_FAREWELL = 10.0
"""Seconds that a worker gets to unload its libraries after its work is done, and the news of its death to come."""

_GRACE = 2.0
"""Seconds that workers get to end by themselves after another one failed."""


class GraphError(Exception):
    """Base class of what keeps a graph from finishing."""


class StageFailed(GraphError):
    """A stage raised an exception.

    Attributes:
        stage: name of the stage.
        cause: the exception.
        trace: its traceback as text.
    """

    def __init__(self, stage: str, cause: Exception, trace: str) -> None:
        super().__init__(f"{stage}: {cause}")
        self.stage = stage
        self.cause = cause
        self.trace = trace


class WorkerDied(GraphError):
    """A worker process ended unexpectedly: it was killed, or crashed in native code."""


class GraphAborted(GraphError):
    """The graph was stopped at once, on request."""


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """A graph to run.

    Attributes:
        workers: in the order of the flow.
        slots: capacity in frames of the channel after each worker but the last.
        mode: whether workers are processes or threads.
        shared: modules that most workers need. Processes have them from the one that they are forked from, so they must
            start no threads and open no GPU.
    """

    workers: tuple[WorkerSpec, ...]
    slots: tuple[int, ...]
    mode: Mode = "processes"
    shared: tuple[str, ...] = ()


@dataclass(slots=True)
class Outcome:
    """How a graph ended.

    Attributes:
        statuses: latest status of each worker, by worker name.
        stopped: whether it ended on request, before the end of the input.
        seconds: wall time from its start to its end.
    """

    statuses: dict[str, WorkerStatus] = field(default_factory=dict)
    stopped: bool = False
    seconds: float = 0.0

    @property
    def reports(self) -> dict[str, Report]:
        """Latest report of each stage, by stage name; only that of the first lane if there are several."""
        return {name: reports[0] for name, reports in self.lane_reports.items()}

    @property
    def lane_reports(self) -> dict[str, list[Report]]:
        """Latest reports of each stage, by stage name, one for each lane."""
        found: dict[str, list[Report]] = {}
        for status in self.statuses.values():
            for name, report in status.reports.items():
                found.setdefault(name, []).append(report)
        return found


def _nothing() -> None:
    """Prepare nothing."""


def run_graph(
    spec: GraphSpec,
    *,
    on_status: Callable[[dict[str, WorkerStatus]], None] = lambda _statuses: None,
    stop_requests: Callable[[], int] = lambda: 0,
    prepare: Callable[[], None] = _nothing,
) -> Outcome:
    """Run a graph to its end.

    Args:
        on_status: called several times a second with the latest status of each worker, by worker name. An exception
            that it raises ends the graph and is passed on.
        stop_requests: returns how often a stop was requested so far. At one, the source ends and the rest drains or,
            if the source has ended, the sink may finish early; at two, all workers are killed. If one was requested
            before, the source emits nothing, and the sink finishes what it has from earlier runs.
        prepare: called in each worker process before anything else, for what belongs to the whole process, such as
            its logging; it can be pickled.

    Raises:
        StageFailed: a stage raised an exception; the first one if several did.
        WorkerDied: a worker process was killed or crashed.
        GraphAborted: a second stop was requested.
    """
    return _Supervisor(spec, on_status, stop_requests, prepare).run()


@dataclass(slots=True, eq=False)
class _Worker:
    spec: WorkerSpec
    control: Connection
    body: Forked | threading.Thread
    ended: bool = False

    def join(self, seconds: float) -> None:
        """Wait for its end, for so long."""
        if isinstance(self.body, threading.Thread):
            self.body.join(seconds)
        else:
            with suppress(subprocess.TimeoutExpired):
                self.body.wait(seconds)

    def kill(self) -> None:
        """End its process, if it has one that runs."""
        if not isinstance(self.body, threading.Thread) and self.body.poll() is None:
            self.body.kill()
            self.join(_GRACE)  # a process that waits for a dead disk can't be killed at all


class _Supervisor:
    def __init__(
        self,
        spec: GraphSpec,
        on_status: Callable[[dict[str, WorkerStatus]], None],
        stop_requests: Callable[[], int],
        prepare: Callable[[], None],
    ) -> None:
        self._spec = spec
        self._on_status = on_status
        self._stop_requests = stop_requests
        self._prepare = prepare
        self._has_asked = stop_requests() == 1  # the workers to stop
        self._outcome = Outcome(stopped=self._has_asked)

    def run(self) -> Outcome:
        began = time.monotonic()
        workers: list[_Worker] = []
        with self._forks() as forks:
            try:
                self._start(workers, forks)
                self._watch(workers)
            except BaseException as err:
                is_at_once = isinstance(err, GraphAborted) and not self._has_asked and forks is not None
                self._end(workers, grace=0.0 if is_at_once else _GRACE)  # nothing has told them to end
                raise
            self._end(workers, grace=_FAREWELL)
        self._outcome.seconds = time.monotonic() - began
        return self._outcome

    def _forks(self) -> AbstractContextManager[ForkServer | None]:
        """Return what starts processes, if workers are some."""
        return closing(fork_server(self._spec.shared)) if self._spec.mode == "processes" else nullcontext()

    def _start(self, workers: list[_Worker], forks: ForkServer | None) -> None:
        """Start the workers, and add each to the list as soon as it runs."""
        lanes = [_lanes(spec) for spec in self._spec.workers]
        inlets: list[list[Inlet | None]] = [[None]]
        outlets: list[list[Outlet | None]] = []
        for before, after, slots in zip(lanes, lanes[1:], self._spec.slots, strict=False):
            senders, receivers = _joined(len(before), len(after), slots)
            outlets.append(list(senders))
            inlets.append(list(receivers))
        outlets.append([None])
        for specs, ins, outs in zip(lanes, inlets, outlets, strict=True):
            for spec, inlet, outlet in zip(specs, ins, outs, strict=True):
                workers.append(self._started(spec, inlet, outlet, forks))

    def _started(
        self, spec: WorkerSpec, inlet: Inlet | None, outlet: Outlet | None, forks: ForkServer | None
    ) -> _Worker:
        ours, theirs = Pipe()
        spec = replace(spec, is_stopped=self._has_asked)
        name = f"sr4k-{spec.name}"
        body: Forked | threading.Thread
        if forks is not None:
            body = forks.start(name, run_in_process, spec, inlet, outlet, theirs, self._prepare)
            for end in (inlet, outlet, theirs):
                if end is not None:
                    end.close()
        else:
            body = threading.Thread(target=run_in_thread, args=(spec, inlet, outlet, theirs), name=name, daemon=True)
            body.start()
        return _Worker(spec, ours, body)

    def _watch(self, workers: list[_Worker]) -> None:
        by_control = {worker.control: worker for worker in workers}
        lost: list[_Worker] = []
        while not all(worker.ended for worker in workers):
            self._heed_stop_requests(workers)
            waiting = [worker.control for worker in workers if not worker.ended]
            for ready in wait(waiting, timeout=_TICK):
                assert isinstance(ready, Connection)
                worker = by_control[ready]
                message = self._receive(worker)
                if isinstance(message, Failed):
                    raise StageFailed(message.stage, message.error, message.trace)
                if isinstance(message, Lost):
                    lost.append(worker)  # the message or death of its neighbour is the cause
            self._on_status(self._outcome.statuses)
        if lost:
            raise WorkerDied(f"{lost[0].spec.name} lost its neighbour")

    def _receive(self, worker: _Worker) -> object:
        try:
            message = worker.control.recv()
        except (EOFError, OSError):
            cause = _cause_of_death(worker)  # which waits until the end is known
            if isinstance(worker.body, Forked) and worker.body.refusal is not None:
                raise worker.body.refusal from None
            raise WorkerDied(cause) from None
        if isinstance(message, WorkerStatus):
            self._outcome.statuses[message.worker] = message
        elif isinstance(message, Done | Lost | Failed):
            worker.ended = True
        return message

    def _heed_stop_requests(self, workers: list[_Worker]) -> None:
        requests = self._stop_requests()
        if requests >= 2:
            raise GraphAborted("stopped at once")
        if requests == 1 and not self._has_asked:
            self._has_asked = True
            self._outcome.stopped = not workers[0].ended
            for worker in (workers[0], *workers[1:][-1:]):
                with suppress(OSError):
                    worker.control.send(STOP)

    def _end(self, workers: list[_Worker], *, grace: float) -> None:
        """Wait for all workers, and kill those left after ``grace`` seconds. Threads are asked to stop before."""
        for worker in workers:
            if isinstance(worker.body, threading.Thread):
                worker.control.close()
        deadline = time.monotonic() + grace
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        for worker in workers:
            worker.kill()
            worker.control.close()


def _lanes(spec: WorkerSpec) -> list[WorkerSpec]:
    """Return one worker for each lane, each pinned to its own CPUs if there are enough."""
    if spec.lanes == 1:
        return [spec]
    cpus = sorted(os.sched_getaffinity(0))
    share = len(cpus) // spec.lanes
    return [
        replace(
            spec,
            name=f"{spec.name} {k + 1}",
            lanes=1,
            cpus=frozenset(cpus[k * share : (k + 1) * share]) if share else None,
            environments=spec.environments[k % len(spec.environments) :][:1] if spec.environments else (),
        )
        for k in range(spec.lanes)
    ]


def _joined(before: int, after: int, slots: int) -> tuple[list[Outlet], list[Inlet]]:
    """Create the channels between the lanes of one worker and those of the next; return an end for each lane."""
    if before != after and min(before, after) > 1:
        raise ValueError(f"{before} lanes can't be followed by {after}")
    channels = [create_channel(slots) for _ in range(max(before, after))]
    senders: list[Outlet] = [sender for sender, _ in channels]
    receivers: list[Inlet] = [receiver for _, receiver in channels]
    return (
        [Dealer(senders)] if before < after else senders,
        [Gatherer(receivers)] if after < before else receivers,
    )


def _cause_of_death(worker: _Worker) -> str:
    """Return which worker died and why, for the user."""
    stages = ", ".join(stage.name for stage in worker.spec.stages)
    cause = "ended unexpectedly"
    if not isinstance(worker.body, threading.Thread):
        worker.join(_FAREWELL)
        code = worker.body.returncode
        if code is not None and code < 0:
            cause = f"was killed by {signal.Signals(-code).name}"
            if -code == signal.SIGKILL:
                cause += " (by hand, or by the kernel because memory ran out)"
        elif code is not None:
            cause = f"ended with exit code {code}"
    return f"the {worker.spec.name} process (stages: {stages}) {cause}"
