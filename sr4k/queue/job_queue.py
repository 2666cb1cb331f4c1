"""The queue: jobs, and what users and whoever runs them want of them.

Changes of state are synced to the disk; progress is not, because it comes every second.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sr4k.errors import OptionError
from sr4k.queue.queue_file import QueueFile
from sr4k.queue.queued_job import (
    ENDED,
    UNFINISHED,
    Decision,
    JobOptions,
    JobProgress,
    JobResult,
    QueuedJob,
    State,
    Totals,
)

LARGEST = 2**53
"""Largest number that users may give: scripts of pages know no larger whole numbers exactly."""

_SUMS = [
    f"coalesce(sum(json_extract(result, '$.{name}')), 0) AS {name}"
    for name in ("damaged", "frames", "seconds", "source_bytes", "result_bytes")
]
_RESULT = "result:"
"""Beginning of the names of facts on results whose jobs were removed."""

_AS_JSON = {"options", "progress", "forecast", "result"}
_ORDER = "ORDER BY priority DESC, place"
_IN_LINE = "waiting", "paused"


class NoSuchJob(OptionError):
    """There is no job of that number."""


class WrongState(OptionError):
    """The job's state doesn't allow what was asked."""


class Queue(QueueFile):
    """The jobs of a service, and what happened to them.

    Args:
        path: the file; it is created, with its folder, if there is none.

    Raises:
        OutputError: the file can't be opened, or is of another version.
    """

    # What is in it

    def get(self, number: int) -> QueuedJob:
        """Return a job.

        Raises:
            NoSuchJob: there is none of that number.
        """
        found = self._rows("SELECT * FROM jobs WHERE id = ?", number)
        if not found:
            raise NoSuchJob(f"There is no job {number}.")
        return _job_of(found[0])

    def jobs(
        self, states: Sequence[State] = (), *, limit: int = 1000, offset: int = 0, newest: bool = False
    ) -> list[QueuedJob]:
        """Return jobs: in the order in which they run, or, if ``newest``, those that ended last first.

        Args:
            states: states that are wanted; empty: all.
            limit: most jobs to return. ``offset``: number of jobs to leave out at the beginning.
        """
        where = f"WHERE state IN ({','.join('?' * len(states))})" if states else ""
        order = "ORDER BY ended DESC, id DESC" if newest else _ORDER
        query = f"SELECT * FROM jobs {where} {order} LIMIT ? OFFSET ?"
        return [_job_of(row) for row in self._rows(query, *states, limit, offset)]

    def counts(self) -> dict[State, int]:
        """Return the number of jobs in each state."""
        return {row["state"]: row["n"] for row in self._rows("SELECT state, count(*) AS n FROM jobs GROUP BY state")}

    def totals(self) -> Totals:
        """Add up all jobs that ended."""
        counts = self.counts()
        sums = self._rows(f"SELECT {', '.join(_SUMS)} FROM jobs WHERE state = 'done'")[0]
        ended = {state: counts.get(state, 0) for state in ENDED}
        return Totals.model_validate({**ended, **dict(sums)})

    def has(self, source: str) -> bool:
        """Whether a job has this source, in whatever state."""
        return bool(self._rows("SELECT 1 FROM jobs WHERE source = ? LIMIT 1", source))

    def makes(self, path: str) -> bool:
        """Whether a file is what a job has made or is to make, whatever it is called; discarded results are not."""
        marks = ",".join("?" * len(UNFINISHED))
        query = (
            f"SELECT 1 FROM jobs WHERE target = ? AND state IN ({marks}) OR"
            " json_extract(result, '$.output') = ? AND decision != 'discarded' LIMIT 1"
        )
        return bool(self._rows(query, path, *UNFINISHED, path)) or self.fact(f"{_RESULT}{path}") is not None

    def check_target(self, target: Path) -> None:
        """Refuse the target of a job that is not done.

        Raises:
            OptionError: a job has it.
        """
        if (taken := self._unfinished_with(str(target))) is not None:
            raise OptionError(f"{target} is the target of job {taken} already: choose another.")

    def has_other_with_target(self, job: QueuedJob) -> bool:
        """Whether another job that is not done has the target of a job, and may go on with what is finished of it."""
        query = "SELECT 1 FROM jobs WHERE target = ? AND id != ? AND state != 'done' LIMIT 1"
        return bool(self._rows(query, job.target, job.id))

    def has_target_of_another(self, target: str, source: str) -> bool:
        """Whether a job with another source has this target, in whatever state."""
        return bool(self._rows("SELECT 1 FROM jobs WHERE target = ? AND source != ? LIMIT 1", target, source))

    def has_begun(self, target: str) -> bool:
        """Whether a job that is not done, one that runs or an earlier one, has made frames of this target."""
        query = (
            "SELECT 1 FROM jobs WHERE target = ? AND state != 'done' AND json_extract(progress, '$.frames') > 0 LIMIT 1"
        )
        return bool(self._rows(query, target))

    # What users want of it

    @contextmanager
    def as_one(self) -> Iterator[None]:
        """Make all changes inside, or, if one fails, none."""
        with self._writing():
            yield

    def add(
        self,
        source: Path,
        target: Path,
        options: JobOptions = JobOptions(),  # noqa: B008 - frozen
        *,
        priority: int = 0,
        origin: str = "user",
        forecast: dict[str, Any] | None = None,
    ) -> QueuedJob:
        """Add a job at the end of its priority.

        Raises:
            OptionError: a path is not absolute, or another unfinished job has the same target.
        """
        for path in (source, target):
            if not path.is_absolute():
                raise OptionError(f"{path} has to be an absolute path.")
        with self._writing():
            self.check_target(target)
            last = self._rows("SELECT coalesce(max(place), 0) AS last FROM jobs")[0]["last"]
            added = self._base.execute(
                "INSERT INTO jobs(source, target, options, state, decision, priority, place, origin, created, runs,"
                " progress, forecast) VALUES (?, ?, ?, 'waiting', 'undecided', ?, ?, ?, ?, 0, ?, ?)",
                (
                    str(source),
                    str(target),
                    options.model_dump_json(),
                    priority,
                    last + 1,
                    origin,
                    time.time(),
                    JobProgress().model_dump_json(),
                    _column(forecast),
                ),
            )
            number = int(added.lastrowid or 0)
            self._tell("added", number)
            return self.get(number)

    def move(self, number: int, *, before: int | None = None, after: int | None = None) -> None:
        """Move a job right before or right after another one, or to the end of its own priority.

        It keeps its priority where that lies between those of the waiting jobs around its new place; otherwise it takes
        that of the other one.

        Raises:
            NoSuchJob: one of them is not there.
        """
        beside = after if before is None else before
        with self._writing():
            job = self.get(number)
            if beside == number:
                return
            others = self._rows(f"SELECT id, priority, state FROM jobs WHERE id != ? {_ORDER}", number)
            order, priority = [other["id"] for other in others], job.priority
            at = len(order)
            if beside is not None:
                other = self.get(beside)
                at = order.index(beside) + (before is None)
                priority = _between(job.priority, others[:at], others[at:], other.priority)
            order.insert(at, number)
            self._base.execute("UPDATE jobs SET priority = ? WHERE id = ?", (priority, number))
            places = [(place, each) for place, each in enumerate(order, 1)]
            self._base.executemany("UPDATE jobs SET place = ? WHERE id = ?", places)
            self._tell("moved", number)

    def prioritise(self, number: int, priority: int) -> QueuedJob:
        """Change the priority of a job.

        Raises:
            NoSuchJob: it is not there.
        """
        with self._writing():
            self.get(number)
            self.change(number, priority=priority)
            self._tell("moved", number)
            return self.get(number)

    def pause(self, number: int) -> QueuedJob:
        """Pause a job. A running one ends soon, and goes on later with the segment that it was at.

        What a running job was asked for last holds: it may be let go on before it has ended.

        Raises:
            NoSuchJob, WrongState: it is not there, or has ended.
        """
        return self._ask(number, "pause", "paused")

    def resume(self, number: int) -> QueuedJob:
        """Let a paused job go on, when it is its turn.

        Raises:
            NoSuchJob, WrongState: it is not there, or neither paused nor about to be.
        """
        with self._writing():
            return self._not_any_more(number, "pause") or self._to(number, ("paused",), "waiting", note=None)

    def cancel(self, number: int) -> QueuedJob:
        """End a job. Finished segments are kept until it is removed: `retry` goes on with them.

        Raises:
            NoSuchJob, WrongState: it is not there, or has ended.
        """
        return self._ask(number, "cancel", "cancelled")

    def retry(self, number: int) -> QueuedJob:
        """Let a job that failed or was cancelled wait for its turn again.

        Raises:
            NoSuchJob, WrongState: it is not there, or neither ended that way nor is about to.
            OptionError: another unfinished job has its target meanwhile.
        """
        with self._writing():
            if (running := self._not_any_more(number, "cancel")) is not None:
                return running
            job = self.get(number)
            if job.state == "done":
                raise WrongState(f"Job {number} is done already: add its source again to make it anew.")
            if (taken := self._unfinished_with(job.target)) not in (None, number):
                raise OptionError(f"{job.target} is the target of job {taken} meanwhile: cancel that first.")
            return self._to(number, ("failed", "cancelled"), "waiting", error=None, code=None, note=None, ended=None)

    def remove(self, number: int) -> QueuedJob:
        """Forget a job that does not run; its files stay. Return what was known of it.

        Raises:
            NoSuchJob, WrongState: it is not there, or runs.
        """
        with self._writing():
            job = self.get(number)
            if job.state == "running":
                raise WrongState(f"Job {number} is running: cancel it first.")
            if job.decision == "replacing":
                raise WrongState(f"The result of job {number} is being moved: try again later.")
            if job.result is not None and job.decision != "discarded":
                self._set_fact(f"{_RESULT}{job.result.output}", f"{number}")
            self._base.execute("DELETE FROM jobs WHERE id = ?", (number,))
            self._tell("removed", number)
            return job

    @property
    def is_paused(self) -> bool:
        """Whether no job is started, and those that run are ended for a while."""
        return self.fact("paused") == "1"

    def pause_all(self, paused: bool) -> None:
        """Pause the whole queue, or let it go on."""
        with self._writing():
            self._set_fact("paused", "1" if paused else "0")
            self._tell("queue", data={"paused": paused})

    # What whoever runs the jobs tells

    def next(self) -> QueuedJob | None:
        """Return the job whose turn it is; ``None``: none waits."""
        found = self._rows(f"SELECT * FROM jobs WHERE state = 'waiting' {_ORDER} LIMIT 1")
        return _job_of(found[0]) if found else None

    def begin(self, number: int) -> QueuedJob:
        """Note that a waiting job is started.

        Raises:
            NoSuchJob, WrongState: it is not there, or does not wait any more.
        """
        with self._writing():
            job = self.get(number)
            started = job.started or time.time()
            return self._to(number, ("waiting",), "running", started=started, runs=job.runs + 1, note=None, asked=None)

    def tell_progress(self, number: int, progress: JobProgress) -> None:
        """Note how far a running job is."""
        with self._writing(durable=False):
            self.change(number, progress=progress)
            self._tell("progress", number, progress.model_dump(exclude={"damage", "converted", "left_out"}))

    def ask_to_wait(self, number: int, note: str) -> None:
        """Ask a running job to end and wait for its next turn. ``note``: why."""
        with self._writing():
            if (job := self.get(number)).state == "running" and job.asked is None:
                self.change(number, asked="wait", note=note)

    def finish(self, number: int, result: JobResult) -> QueuedJob:
        """Note that a running job is done."""
        with self._writing():
            whole = self.get(number).progress.model_copy(update={"share": 1.0, "eta": 0.0})
            changes = {"progress": whole, "result": result, "ended": time.time(), "asked": None, "note": None}
            return self._to(number, ("running",), "done", **changes)

    def fail(self, number: int, error: str, code: int) -> QueuedJob:
        """Note that a running job failed."""
        with self._writing():
            changes = {"progress": self.get(number).progress.at_rest(), "ended": time.time(), "asked": None}
            return self._to(number, ("running",), "failed", error=error, code=code, **changes)

    def stopped(self, number: int) -> QueuedJob:
        """Note that a running job has ended as it was asked to; one that was not asked waits again."""
        with self._writing():
            job = self.get(number)
            state: State = {"pause": "paused", "cancel": "cancelled"}.get(job.asked or "", "waiting")  # type: ignore[assignment]
            ended = time.time() if state == "cancelled" else None
            return self._to(number, ("running",), state, asked=None, ended=ended, progress=job.progress.at_rest())

    def decide(
        self,
        number: int,
        decision: Decision,
        result: JobResult | None = None,
        *,
        after: Sequence[Decision] | None = None,
    ) -> QueuedJob:
        """Note what became of the result of a job that is done.

        Args:
            after: decisions of which one has to hold until now, so that of two who decide at once one is refused;
                ``None``: any.

        Raises:
            NoSuchJob, WrongState: it is not there, not done, or was decided on otherwise meanwhile.
        """
        with self._writing():
            if after is not None and (now := self.get(number).decision) not in after:
                raise WrongState(f"The result of job {number} is {now} already.")
            more = {} if result is None else {"result": result}
            return self._to(number, ("done",), "done", decision=decision, **more)

    def foretell(self, number: int, forecast: dict[str, Any]) -> None:
        """Note the forecast of a job."""
        with self._writing():
            self.change(number, forecast=forecast)
            self._tell("changed", number, {"state": self.get(number).state})

    def undecided_moves(self) -> list[QueuedJob]:
        """Return the jobs whose files were being moved when their program died."""
        return [_job_of(row) for row in self._rows("SELECT * FROM jobs WHERE decision = 'replacing'")]

    # How it is done

    def change(self, number: int, **changes: Any) -> None:
        """Set columns of a job; inside `_writing`."""
        columns = ", ".join(f"{name} = ?" for name in changes)
        values = [_column(value) for value in changes.values()]
        self._base.execute(f"UPDATE jobs SET {columns} WHERE id = ?", (*values, number))

    def _unfinished_with(self, target: str) -> int | None:
        """Return the unfinished job with this target: there is one at most."""
        marks = ",".join("?" * len(UNFINISHED))
        found = self._rows(f"SELECT id FROM jobs WHERE target = ? AND state IN ({marks})", target, *UNFINISHED)
        return found[0]["id"] if found else None

    def _ask(self, number: int, what: Literal["pause", "cancel"], state: State) -> QueuedJob:
        """Ask a running job for something, or change the state of one that doesn't run at once."""
        with self._writing():
            if self.get(number).state != "running":
                states: tuple[State, ...] = ("waiting",) if what == "pause" else ("waiting", "paused")
                return self._to(number, states, state, ended=None if what == "pause" else time.time())
            self.change(number, asked=what)
            self._tell("changed", number, {"state": "running", "asked": what})
            return self.get(number)

    def _not_any_more(self, number: int, what: Literal["pause", "cancel"]) -> QueuedJob | None:
        """Take back what a running job was asked for; ``None``: it was not asked for that. Inside `_writing`.

        If its process is ending already, the job waits for its turn again.
        """
        job = self.get(number)
        if job.state != "running" or job.asked != what:
            return None
        self.change(number, asked=None)
        self._tell("changed", number, {"state": "running"})
        return self.get(number)

    def _to(self, number: int, states: Sequence[State], state: State, **changes: Any) -> QueuedJob:
        with self._writing():
            job = self.get(number)
            if job.state not in states:
                raise WrongState(f"Job {number} is {job.state}: that is possible only while it is {_or(states)}.")
            self.change(number, state=state, **changes)
            self._tell("changed", number, {"state": state})
            return self.get(number)


def _between(own: int, above: Sequence[sqlite3.Row], below: Sequence[sqlite3.Row], otherwise: int) -> int:
    """Return a job's own priority, if it lies between those of the waiting jobs around a place."""
    highest = next((job["priority"] for job in reversed(above) if job["state"] in _IN_LINE), own)
    lowest = next((job["priority"] for job in below if job["state"] in _IN_LINE), own)
    return own if lowest <= own <= highest else otherwise


def _column(value: Any) -> Any:
    if isinstance(value, JobOptions | JobProgress | JobResult):
        return value.model_dump_json()
    return json.dumps(value) if isinstance(value, dict) else value


def _job_of(row: sqlite3.Row) -> QueuedJob:
    told = dict(row)
    for name in _AS_JSON:
        told[name] = None if told[name] is None else json.loads(told[name])
    return QueuedJob.model_validate(told)


def _or(states: Sequence[State]) -> str:
    return " or ".join(states)
