"""Has the cluster's machines make the segments: asks each what it is, gives out work, and deals with faults."""

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from random import random
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sr4k.cluster import node as on_node
from sr4k.cluster import remote
from sr4k.cluster.fault_words import is_of_machine, made_again, of_job, reason_of, span_of
from sr4k.cluster.machine_report import ClusterReport, NodeWork
from sr4k.cluster.machines import Machine, Need, largest, name_of, needed
from sr4k.cluster.messages import Fault, Made, Request, Working
from sr4k.cluster.order import lagging, longest_first
from sr4k.cluster.tasks import NodeFacts, SegmentDone, SegmentFailed, SegmentTask, Work
from sr4k.engines.choose import GPU_ENGINES
from sr4k.errors import (
    DamageError,
    EngineError,
    InputError,
    MachineError,
    NoMachineError,
    OutputError,
    Sr4kError,
    WorkerError,
)
from sr4k.jobs.model_choice import engines_of
from sr4k.media.reading.stretches import Stretch
from sr4k.media.resume.bucket_pool import pool_at

_TICK = 0.5
"""Seconds to wait for results at a time."""

_LOOK_EVERY = 2.0
"""Seconds between two looks at which machines there are."""

_ANSWER = 60.0
"""Seconds that a machine gets to tell what it is."""

_CRASHES = 3
"""Number of times that a segment may bring down the process that makes it."""

_STRIKES = 2
"""Number of faults of its own, in a row, after which a machine gets no more work."""

_BACK = 60.0
"""Seconds after which a machine that was not reached is asked again, if Ray still lists it."""

_ALONE = 60.0
"""Seconds to wait for a machine when there is none left."""


@dataclass(slots=True, kw_only=True)
class _Run:
    """One machine making one segment. ``moved``: when its number of frames last grew."""

    id: str
    ref: Any
    task: SegmentTask
    machine: Machine
    began: float
    moved: float
    frames: int = 0


class Spreading:
    """Gives the segments to the machines until all are made.

    Args:
        request: what is wanted.
        work: what all segments share.
        missing: key and stretch of each segment to make, in the order of the video.
        connection: to tell the job what happens; what it sends asks to stop.
    """

    def __init__(
        self, request: Request, work: Work, missing: list[tuple[str, Stretch]], connection: Connection
    ) -> None:
        self._request, self._connection = request, connection
        self._work = ray.put(work)
        self._pool = pool_at(work.pool)
        self._own, self._first = work, missing[0][1]
        engine = work.job.preset.engine
        self._on_gpu = engines_of(engine)[0] in GPU_ENGINES
        nodes = remote.alive()
        self._need = needed(nodes, request.settings.cpus, on_gpu=self._on_gpu)
        if not any(self._need.times_in(each["Resources"]) for each in nodes):
            raise MachineError(
                f"No machine of the cluster is large enough for a segment ({self._need}): {largest(nodes)}."
            )
        tasks = (
            SegmentTask(key=key, stretch=stretch, cpus=self._need.cpus, attempt=1 + request.tries.get(key, 0))
            for key, stretch in missing
        )
        self._todo = deque(longest_first(tasks))
        self._left = {task.key for task in self._todo}
        self._numbers = {task.key: task.stretch.number for task in self._todo}
        self._crashes: dict[str, int] = {}
        self._misread: set[str] = set()
        self._damage: tuple[int, DamageError] | None = None  # the earliest, and the number of its stretch
        self._machines: dict[str, Machine] = {}
        self._looks: dict[Any, tuple[Machine, float]] = {}
        self._samples: dict[Any, Machine] = {}
        self._runs: dict[Any, _Run] = {}
        self._board = remote.new_board()
        self._took: list[float] = []  # seconds of finished segments
        self._expected: str | None = None  # what the first frames become on this machine
        self._looked = self._told = 0.0
        self._last_trouble: Sr4kError | None = None
        self._alone_since: float | None = None

    def run(self) -> None:
        """Make all segments.

        Raises:
            Sr4kError: it can't be done.
        """
        try:
            while self._left:
                now = time.monotonic()
                if self._connection.poll():
                    return  # the job is to stop
                if now - self._looked > _LOOK_EVERY:
                    self._look(now)
                self._give(now)
                self._collect()
                if now - self._told > 1.0 or not self._left:
                    self._follow(now)
            if self._damage is not None:
                raise self._damage[1]
        finally:
            for ref in self._runs:
                with suppress(RayError):
                    ray.cancel(ref, force=True)

    # Machines

    def _look(self, now: float) -> None:
        """Notice which machines have come and gone, and ask the new ones what they are."""
        self._looked, nodes = now, remote.alive()
        alive = {each["NodeID"]: each for each in nodes}
        for each in nodes:
            known = self._machines.get(each["NodeID"])
            if known is None:
                slots = self._need.times_in(each["Resources"])
                machine = Machine(id=each["NodeID"], name=name_of(each, nodes), slots=slots)
                self._machines[machine.id] = machine
                if slots:
                    self._ask(machine, now)
        for machine in self._machines.values():
            if machine.id not in alive and machine.state != "gone":
                self._lose(machine)
            elif machine.id in alive and machine.state == "gone" and now - machine.gone_at > _BACK:
                self._ask(machine, now)  # it was not reached, and Ray still has it
        for ref, (machine, asked) in [*self._looks.items()]:
            if now - asked > _ANSWER:
                del self._looks[ref]
                self._refuse(machine, "it doesn't answer", error=MachineError)
        self._check_alone(now)

    def _ask(self, machine: Machine, now: float) -> None:
        machine.state = "asked"
        asking = remote.look_at.options(scheduling_strategy=_on(machine))
        self._looks[asking.remote(self._work, on_node.fingerprint_of_code())] = machine, now

    def _lose(self, machine: Machine) -> None:
        """Have others make what a machine that can't be reached was making. Ray may list it for some time yet."""
        was_ready, machine.state, machine.gone_at = machine.state == "ready", "gone", time.monotonic()
        lost = [ref for ref, run in self._runs.items() if run.machine is machine]
        again = sum([self._requeue(self._runs.pop(ref)) for ref in lost])
        machine.running.clear()
        if was_ready:
            self._say(f"machine {machine.name} is gone{made_again(again)}", again=again)

    def _check_alone(self, now: float) -> None:
        """Give up when no machine is left, or none ever comes."""
        if any(machine.state in ("asked", "ready") for machine in self._machines.values()):
            self._alone_since = None
            return
        self._alone_since = self._alone_since or now
        if self._last_trouble is not None or now - self._alone_since > _ALONE:
            raise self._last_trouble or WorkerError(
                f"Stopped: the cluster has had no machine for {_ALONE:.0f} seconds that could make a segment."
            )

    def _refuse(
        self, machine: Machine, why: str, *, again: int = 0, error: type[MachineError] = NoMachineError
    ) -> None:
        machine.state = "refused"
        self._last_trouble = error(f"No machine of the cluster can be used: {machine.name}: {why}.")
        self._say(f"machine {machine.name} is left out: {why}", again=again)

    def _answered(self, machine: Machine, facts: NodeFacts) -> None:
        if facts.trouble is not None:
            self._refuse(machine, facts.trouble)
        elif facts.kind == on_node.kind_of_machine():
            machine.state = "ready"
        else:
            asking = remote.sample_of.options(**self._options(machine))
            self._samples[asking.remote(self._work, self._first, self._need.cpus)] = machine

    def _sampled(self, machine: Machine, digest: str) -> None:
        """Take a machine of another kind than this one if it makes the same of the first frames."""
        if self._expected is None:
            self._expected = on_node.sample(self._own, self._first, self._need.cpus)
        if digest == self._expected:
            machine.state = "ready"
        else:
            self._refuse(machine, "its CPU, GPU or libraries make other pictures or packets than this machine's")

    # Work

    def _give(self, now: float) -> None:
        """Give segments to machines that have room, the emptiest first; at the end those that lag, a second time."""
        while (machine := max(self._machines.values(), key=_room, default=None)) and machine.free > 0:
            task = self._todo.popleft() if self._todo else self._lagging(machine, now)
            if task is None:
                return
            if task.key not in self._left:
                continue
            run = f"{task.key}/{task.attempt}/{os.urandom(3).hex()}"
            ref = remote.made_by.options(**self._options(machine)).remote(self._work, task, run, self._board)
            machine.running.add(run)
            self._told = 0.0  # what is begun is told at once: this process may end
            self._runs[ref] = _Run(id=run, ref=ref, task=task, machine=machine, began=now, moved=now)

    def _lagging(self, machine: Machine, now: float) -> SegmentTask | None:
        """Return the segment that takes longest, if it is worth while that this machine makes it too."""
        slowest = lagging([*self._runs.values()], machine, self._took, now)
        if slowest is None:
            return None
        self._say(f"{span_of(slowest.task)} takes long on {slowest.machine.name}: {machine.name} makes it too", again=1)
        return replace(slowest.task, attempt=slowest.task.attempt + 1)

    def _collect(self) -> None:
        refs = [*self._runs, *self._looks, *self._samples]
        if not refs:
            time.sleep(_TICK)
            return
        ready, _ = ray.wait(refs, num_returns=1, timeout=_TICK)
        if ready:  # all that are: of a thousand machines, many may have ended since the last look
            ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        for ref in ready:
            try:
                value = ray.get(ref, timeout=_ANSWER)
            except (RayError, GetTimeoutError) as err:
                value = err
            if ref in self._runs:
                self._ended(self._runs.pop(ref), value)
            elif ref in self._looks:
                self._heard(self._looks.pop(ref)[0], value)
            else:
                self._heard(self._samples.pop(ref), value)

    def _heard(self, machine: Machine, value: Any) -> None:
        """Deal with what a machine tells of itself."""
        if isinstance(value, NodeFacts):
            self._answered(machine, value)
        elif isinstance(value, str):
            self._sampled(machine, value)
        elif is_of_machine(value):
            self._lose(machine)
        elif machine.state != "gone":
            self._refuse(machine, reason_of(value))

    def _ended(self, run: _Run, value: Any) -> None:
        run.machine.running.discard(run.id)
        if isinstance(value, SegmentDone):
            self._made(run, value)
        elif run.task.key in self._left:
            self._failed(run, value)

    def _made(self, run: _Run, done: SegmentDone) -> None:
        machine = run.machine
        if self._pool.seen(run.task.key) is None:
            self._strike(run, OutputError(f"{machine.name}: {span_of(run.task)} is done there, but not seen here"))
            return
        machine.done, machine.strikes = machine.done + 1, 0
        machine.frames += done.manifest.segment.frames
        machine.seconds += done.seconds
        self._took.append(done.seconds)
        del self._took[:-100]
        if run.task.key in self._left:
            self._left.discard(run.task.key)
            self._connection.send(Made(key=run.task.key, done=done, node=machine.name, attempt=run.task.attempt))
            for ref, other in self._runs.items():
                if other.task.key == run.task.key:
                    with suppress(RayError):
                        ray.cancel(ref, force=True)

    def _failed(self, run: _Run, value: Any) -> None:
        """Have a segment made again, unless it would fail again."""
        task, machine = run.task, run.machine
        if is_of_machine(value):
            self._runs[run.ref] = run
            self._lose(machine)
            return
        is_crash = isinstance(value, RayError) or (isinstance(value, SegmentFailed) and value.is_crash)
        error = value.error if isinstance(value, SegmentFailed) else value
        if is_crash:
            self._crashes[task.key] = self._crashes.get(task.key, 0) + 1
            if self._crashes[task.key] >= _CRASHES:
                raise WorkerError(
                    f"Stopped: {span_of(task)} has ended the process that makes it {_CRASHES} times, lastly on "
                    f"{machine.name} ({reason_of(error)})."
                )
        elif isinstance(error, DamageError):
            self._damaged(task, error)
            return
        elif isinstance(error, InputError):
            others = any(each.state in ("asked", "ready") and each is not machine for each in self._machines.values())
            if task.key in self._misread or not others:
                raise error
            self._misread.add(task.key)
        elif isinstance(error, Sr4kError) and not isinstance(error, OutputError | MachineError | EngineError):
            raise error
        elif isinstance(error, Sr4kError | OSError):
            self._strike(run, error)
            return
        self._again(run, reason_of(error))

    def _damaged(self, task: SegmentTask, error: DamageError) -> None:
        """Have only what is before a fatal loss made: there may be an earlier one, which one machine would tell."""
        number = task.stretch.number
        if self._damage is None or number < self._damage[0]:
            self._damage = number, error
        self._left = {key for key in self._left if self._numbers[key] < self._damage[0]}
        for ref, run in self._runs.items():
            if run.task.key not in self._left:
                with suppress(RayError):
                    ray.cancel(ref, force=True)

    def _strike(self, run: _Run, error: Exception) -> None:
        """Note a fault that is the machine's own; after some in a row it gets no more work."""
        run.machine.strikes += 1
        if run.machine.strikes < _STRIKES:
            self._again(run, reason_of(error))
        else:
            self._refuse(run.machine, reason_of(error), again=self._requeue(run))
            self._last_trouble = of_job(error)

    def _again(self, run: _Run, why: str) -> None:
        if self._requeue(run):
            self._say(f"{span_of(run.task)} is made again: {run.machine.name}: {why}", again=1)

    def _requeue(self, run: _Run) -> int:
        """Have a segment made next, and return 1, unless it is done, or another machine makes it: 0."""
        if run.task.key not in self._left or any(other.task.key == run.task.key for other in self._runs.values()):
            return 0
        self._todo.appendleft(replace(run.task, attempt=run.task.attempt + 1))
        return 1

    # Telling

    def _say(self, text: str, *, again: int = 0) -> None:
        self._connection.send(Fault(text=f"Cluster: {text}.", again=again))

    def _follow(self, now: float) -> None:
        """Tell how far the segments under way are."""
        self._told = now
        noted: dict[str, int] = {}
        with suppress(RayError, GetTimeoutError):
            noted = ray.get(self._board.all.remote(), timeout=2.0)
        under_way: dict[str, int] = {}
        tries: dict[str, int] = {}
        for run in self._runs.values():
            if (frames := noted.get(run.id, run.frames)) > run.frames:
                run.frames, run.moved = frames, now
            if run.task.key in self._left:
                tries[run.task.key] = max(run.task.attempt, tries.get(run.task.key, 0))
                under_way[run.task.key] = max(run.frames, under_way.get(run.task.key, 0))
        report = ClusterReport(nodes=tuple(self._works(now)))
        self._connection.send(Working(frames=sum(under_way.values()), tries=tries, report=report))

    def _works(self, now: float) -> Iterator[NodeWork]:
        taking_part = [each for each in self._machines.values() if each.slots]
        running: dict[str, list[_Run]] = {each.id: [] for each in taking_part}
        for run in self._runs.values():
            running[run.machine.id].append(run)
        frames = {each.id: each.frames + sum(run.frames for run in running[each.id]) for each in taking_part}
        everything = sum(frames.values())
        for each in taking_part:
            seconds = each.seconds + sum(now - run.began for run in running[each.id])
            yield NodeWork(
                node=each.name,
                segments=each.done,
                running=len(each.running),
                frames=frames[each.id],
                fps=frames[each.id] / seconds * min(each.slots, max(1, len(each.running))) if seconds else 0.0,
                share=frames[each.id] / everything if everything else 0.0,
                state=each.state,
            )

    def _options(self, machine: Machine) -> dict[str, Any]:
        """Return what to ask of Ray for a segment on a machine."""
        need: Need = self._need
        return {
            "num_cpus": need.cpus,
            "num_gpus": need.gpus,
            "memory": need.memory,
            "scheduling_strategy": _on(machine),
        }


def _on(machine: Machine) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(machine.id, soft=False)


def _room(machine: Machine) -> tuple[bool, int, int, float]:
    """Return how free a machine is, one without faults of its own first.

    Of equals it is another each time, as another job may have begun with the first.
    """
    return machine.free > 0, -machine.strikes, machine.free, random()
