"""What runs a job of the queue, in a process of its own, and tells it as lines of JSON."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sr4k.cluster.cluster_summary import ClusterSummary
from sr4k.cluster.job import ClusterJob, Reached
from sr4k.cluster.machine_report import CLUSTER, ClusterReport
from sr4k.common.option_names import name_for
from sr4k.errors import OptionError, Sr4kError, StoppedError
from sr4k.jobs.file_job import Job
from sr4k.jobs.file_progress import Gauge
from sr4k.jobs.summary import Summary
from sr4k.media.reading.naming_others import refuse_files_that_name_others
from sr4k.media.reports import DECODE, ENCODE, DecodeReport, EncodeReport, as_data
from sr4k.media.resume.job_folder import Parts, claimed, folder_of
from sr4k.pipeline import WorkerStatus, report_of
from sr4k.queue.errand import in_child, told
from sr4k.queue.file_mark import about_files
from sr4k.queue.on_cluster import for_cluster, machines_of
from sr4k.queue.planning import FORECAST_SECONDS, check_free, forecast_if_long, job_of_queued
from sr4k.queue.queued_job import Check, JobProgress, JobResult, Phase, QueuedJob

STOP = b"stop"
"""Message that asks for the end of the job."""

_EVERY = 1.0
"""Seconds between two messages on the progress."""


def work(connection: Connection, as_json: str, is_ours: bool, cpus: int, cluster: Reached | None) -> None:
    """Run a job, and send ``forecast``, ``again``, ``progress``, then one of ``done``, ``failed`` and ``stopped``.

    Args:
        connection: for messages; it carries `STOP` in the other direction, and its end asks for the same.
        as_json: a `QueuedJob`.
        is_ours: whether what is finished of its target was made by jobs of this queue, and may be thrown away.
        cpus: number of CPUs to plan for.
        cluster: whose machines make the segments; ``None``: this one does.
    """
    refuse_files_that_name_others()
    name_for("service")
    queued = QueuedJob.model_validate_json(as_json)
    stop, send = _StopRequest(connection), _Telling(connection)
    try:
        result = _kept(queued) or _made(queued, is_ours, cpus, cluster, stop, send)
    except StoppedError:
        send({"event": "stopped"})
    except Exception as err:
        send({"event": "failed", **told(err)})
    else:
        send({"event": "done", "result": result.model_dump()})


def _made(
    queued: QueuedJob,
    is_ours: bool,
    cpus: int,
    cluster: Reached | None,
    stop: Callable[[], int],
    send: Callable[[dict[str, Any]], None],
) -> JobResult:
    job, alone = for_cluster(job_of_queued(queued, cpus), cluster)
    if Parts(job.target).left != job.target:  # else an earlier run was killed when it had just given it its name
        check_free(job.target)
    if (why := _useless(job)) is not None:
        _throw_away(job.target, why, is_ours=is_ours)
        send({"event": "again", "why": f"{why}."})
    is_new = not folder_of(Path(queued.target)).exists()
    if is_new and queued.forecast is None and not isinstance(job, ClusterJob):
        _foretell(queued, stop, send)
    progress = _Progress(send, alone)
    summary = job.run(on_status=progress, stop_requests=stop)
    if summary.stopped:
        raise StoppedError("Stopped before the end.")
    progress.tell_phase("check")
    return _result(queued, Path(summary.output), summary)


def _useless(job: Job) -> str | None:
    """Return why a job can't use what earlier runs have made of its target; ``None``: it can, or there is nothing."""
    parts = Parts(job.target)
    if not parts.folder.exists():
        return None
    if not parts.journal.is_ours:
        return "another version of sr4k-stream had begun it"
    if not parts.is_unfinished:
        return None
    if not job.resume:
        return "only a part of the video is wanted since then"
    changed = parts.changed(job.facts())
    return f"{', '.join(changed)} changed since then" if changed else None


def _throw_away(target: Path, why: str, *, is_ours: bool) -> None:
    """Delete what earlier runs have made of a target.

    Raises:
        OptionError: a run that is none of this queue has made it.
    """
    if not is_ours:
        raise OptionError(
            f"{target} can't be begun: a command or another service has finished something of it, which does not fit "
            f"({why}). Choose another name, or delete {folder_of(target)}."
        )
    with claimed(target) as parts:
        parts.remove()


def _foretell(queued: QueuedJob, stop: Callable[[], int], send: Callable[[dict[str, Any]], None]) -> None:
    """Make a forecast before the job is begun; without one, it is begun all the same."""
    send({"event": "progress", "progress": JobProgress(phase="forecast").model_dump()})
    given = queued.source, queued.target, queued.options
    try:
        found = in_child(forecast_if_long, *given, seconds=FORECAST_SECONDS, is_over=lambda: bool(stop()))
    except StoppedError:
        raise
    except Sr4kError:  # the job itself says it better
        return
    if found is not None:
        send({"event": "forecast", "forecast": found})


def _kept(queued: QueuedJob) -> JobResult | None:
    """Return the result of an earlier run that was complete when its service was killed; ``None``: there is none."""
    target = Path(queued.target)
    if queued.runs < 2 or queued.started is None or folder_of(target).exists() or not target.is_file():
        return None
    return _result(queued, target, None) if target.stat().st_mtime >= queued.started else None


def _result(queued: QueuedJob, output: Path, summary: Summary | None) -> JobResult:
    source, progress = Path(queued.source), queued.progress
    checks = _checks(source, output, summary, is_part=queued.options.part is not None)
    files = about_files(source, output)
    if summary is None:
        return JobResult(
            output=str(output),
            frames=progress.frames,
            seconds=0.0,
            damaged=bool(progress.damage),
            damage=progress.damage,
            converted=progress.converted,
            left_out=progress.left_out,
            checks=checks,
            **files,
        )
    video, engine = summary.video, summary.engine
    return JobResult(
        output=str(output),
        frames=summary.frames,
        resumed=summary.resumed,
        seconds=summary.seconds,
        width=video.width,
        height=video.height,
        codec=video.codec,
        container=video.container,
        damaged=summary.damaged,
        damage=as_data(summary.losses),
        converted=list(video.converted),
        left_out=list(summary.left_out),
        checks=checks,
        model=engine.model,
        engine=engine.engine,
        **files,
        machines=machines_of(summary.nodes) if isinstance(summary, ClusterSummary) else [],
    )


def _checks(source: Path, output: Path, summary: Summary | None, *, is_part: bool) -> list[Check]:
    from sr4k.queue.result_checks import checked  # codecs, which nothing before it needs here

    try:
        return checked(source, output, summary, is_part=is_part)
    except Exception as err:
        return [Check(name="frames", ok=False, says=f"could not be compared: {told(err)['error']}")]


class _Progress:
    """Sends how far the job is, every second. ``alone``: why this machine makes it, where there is a cluster."""

    def __init__(self, send: Callable[[dict[str, Any]], None], alone: str | None) -> None:
        self._send, self._gauge, self._next = send, Gauge(), 0.0
        self._told = JobProgress(alone=alone)

    def __call__(self, statuses: dict[str, WorkerStatus]) -> None:
        now = time.monotonic()
        self._gauge.update(statuses, now)
        read, written = report_of(statuses, DECODE, DecodeReport), report_of(statuses, ENCODE, EncodeReport)
        is_last = written is not None and written.is_whole is not None
        if now < self._next and not is_last:
            return
        self._next = now + _EVERY
        before, cluster = self._told, report_of(statuses, CLUSTER, ClusterReport)
        told = {
            **self._gauge.as_dict(),
            "damage": {} if read is None else _damage(as_data(read.losses)),
            "left_out": [*(read.left_out if read else ()), *(written.left_out if written else ())],
            "converted": list(written.video.converted) if written else [],
            "machines": before.machines if cluster is None else machines_of(cluster.nodes),
            "alone": before.alone,
        }
        self._told = JobProgress.model_validate(told)
        self._tell()

    def tell_phase(self, phase: Phase) -> None:
        """Tell that the job does something else from now on."""
        self._told = self._told.model_copy(update={"phase": phase})
        self._tell()

    def _tell(self) -> None:
        self._send({"event": "progress", "progress": self._told.model_dump()})


def _damage(losses: dict[str, Any]) -> dict[str, Any]:
    return losses if any(losses[kind] for kind in ("packets", "missing", "concealed")) else {}


class _Telling:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, message: dict[str, Any]) -> None:
        self._connection.send_bytes(json.dumps(message).encode())


class _StopRequest:
    """Counts as two requests, which end a job at once, when one came or the other end has gone."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._asked = connection, False
        threading.Thread(target=self._listen, name="sr4k-stop", daemon=True).start()

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            self._connection.recv_bytes()
        self._asked = True

    def __call__(self) -> int:
        return 2 if self._asked else 0
