"""A worker: a chain of stages in its own process or thread, with a pipe to the supervisor."""

import gc
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, TypeVar

from sr4k.pipeline.chain import Chain, StageClock, StageError
from sr4k.pipeline.channel import Inlet, Outlet, PeerLostError
from sr4k.pipeline.stage import Report, StageSpec

STATUS_EVERY = 0.25
"""Seconds between two status messages."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A worker to start.

    Attributes:
        name: for users, unique in the graph.
        stages: in the order of the flow. The first worker starts with a source, the last ends with a sink.
        lanes: number of workers that run side by side, on frames in turn. A worker with several neither begins nor
            ends the graph, and its stages emit one frame for each that they receive.
        cpus: CPUs that its process is pinned to; ``None``: not pinned.
        environments: environment variables for the processes of the lanes, in turn, set before any stage is imported.
        is_stopped: whether a stop was requested before it starts: its source emits nothing.
    """

    name: str
    stages: tuple[StageSpec, ...]
    lanes: int = 1
    cpus: frozenset[int] | None = None
    environments: tuple[dict[str, str], ...] = ()
    is_stopped: bool = False


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker at one moment.

    Attributes:
        worker: its name.
        stages: work of each stage, in the order of the flow.
        running: seconds since it started.
        waited_in: seconds spent waiting for input.
        waited_out: seconds spent waiting for a free slot in the output.
        cpu: CPU seconds of the whole process that the worker lives in.
        depth: number of frames in the outbound channel.
        reports: latest report of each stage, by stage name.
        ended: whether this is its last status.
    """

    worker: str
    stages: tuple[StageClock, ...]
    running: float
    waited_in: float
    waited_out: float
    cpu: float
    depth: int
    reports: dict[str, Report]
    ended: bool = False


_Report = TypeVar("_Report")


def report_of(statuses: Mapping[str, WorkerStatus], stage: str, kind: type[_Report]) -> _Report | None:
    """Return the latest report of a stage if it is of this type, else ``None``.

    Args:
        statuses: the latest of each worker, by worker name.
        stage: name of the stage.
        kind: type of the report.
    """
    reports = (status.reports.get(stage) for status in statuses.values())
    return next((report for report in reports if isinstance(report, kind)), None)


@dataclass(frozen=True, slots=True)
class Failed:
    """Message: a stage raised ``error``; ``trace`` is its traceback as text."""

    stage: str
    error: Exception
    trace: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Message: the worker gave up because a neighbour was gone."""


@dataclass(frozen=True, slots=True)
class Done:
    """Message: the worker finished."""


STOP = "stop"
"""Message from the supervisor: end the source, or finish early."""


def run_in_process(
    spec: WorkerSpec,
    inbound: Inlet | None,
    outbound: Outlet | None,
    control: Connection,
    prepare: Callable[[], None],
) -> None:
    """Run a worker; the main function of its process."""
    if spec.cpus is not None:
        os.sched_setaffinity(0, spec.cpus)
    for variables in spec.environments[:1]:
        os.environ.update(variables)
    prepare()
    gc.disable()  # it would look again and again through modules that are being imported, and that all stay
    run(spec, inbound, outbound, control, created=_collect_from_now_on, orphaned=lambda: os._exit(1))


def _collect_from_now_on() -> None:
    """Collect garbage, but not among what has been imported so far."""
    gc.freeze()
    gc.enable()


def run_in_thread(spec: WorkerSpec, inbound: Inlet | None, outbound: Outlet | None, control: Connection) -> None:
    """Run a worker; the main function of its thread."""
    # a program that embeds Python may die of the signal when a neighbour is gone; Python's own ignores it
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGPIPE,))
    run(spec, inbound, outbound, control)


def _nothing() -> None:
    """Do nothing."""


def run(
    spec: WorkerSpec,
    inbound: Inlet | None,
    outbound: Outlet | None,
    control: Connection,
    *,
    created: Callable[[], None] = _nothing,
    orphaned: Any = None,
) -> None:
    """Run the chain, and send the supervisor its status and how it ended.

    Args:
        created: called when the stages have been imported and created.
        orphaned: called in another thread when the supervisor is gone; ``None``: the source is stopped.
    """
    wire = _Wire(control)
    last: Failed | Lost | Done
    try:
        chain = Chain([stage.create() for stage in spec.stages], inbound, outbound)
        created()
        wire.start(spec.name, chain, outbound, orphaned)
        if spec.is_stopped:
            chain.stop()
        chain.run()
        last = Done()
    except StageError as err:
        last = _failed(err.stage, err.cause)
    except PeerLostError:
        last = Lost()
    except Exception as err:
        last = _failed(spec.name, err)
    wire.end(last)
    for channel in (inbound, outbound):
        if channel is not None:
            channel.close()
    control.close()


class _Wire:
    """Sends statuses and receives orders, in its own thread."""

    def __init__(self, control: Connection) -> None:
        self._control = control
        self._sending = threading.Lock()
        self._woken, self._wake = Pipe(duplex=False)  # closing it wakes the thread, which then ends
        self._thread: threading.Thread | None = None

    def start(self, name: str, chain: Chain, outbound: Outlet | None, orphaned: Any) -> None:
        self._began = time.monotonic()
        self._name, self._chain, self._outbound, self._orphaned = name, chain, outbound, orphaned
        self._thread = threading.Thread(target=self._serve, name=f"{name}-wire", daemon=True)
        self._thread.start()

    def end(self, message: object) -> None:
        self._wake.close()
        if self._thread is not None:
            self._thread.join()
            self._send(replace(self._status(), ended=True))
        self._send(message)

    def _serve(self) -> None:
        while True:
            try:
                ready = wait((self._control, self._woken), STATUS_EVERY)
                if self._woken in ready:
                    self._woken.close()
                    return
                if not ready:
                    self._send(self._status())
                elif self._control.recv() == STOP:
                    self._chain.stop()
            except (EOFError, OSError):
                if self._orphaned is not None:
                    self._orphaned()
                else:
                    self._chain.stop()  # a thread can't be killed
                return

    def _send(self, message: object) -> None:
        with self._sending, suppress(OSError):
            self._control.send(message)

    def _status(self) -> WorkerStatus:
        times = os.times()
        waited_in, waited_out = self._chain.waited
        return WorkerStatus(
            worker=self._name,
            stages=self._chain.working,
            running=time.monotonic() - self._began,
            waited_in=waited_in,
            waited_out=waited_out,
            cpu=times.user + times.system,
            depth=self._outbound.depth if self._outbound else 0,
            reports=self._chain.reports(),
        )


def _failed(stage: str, error: Exception) -> Failed:
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # exceptions of some libraries can't be unpickled
        error = RuntimeError(f"{type(error).__name__}: {error}")
    return Failed(stage, error, trace)
