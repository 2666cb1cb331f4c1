"""Jobs that ended: totals of all of them, a table for spreadsheets, and the bins of the originals they replaced."""

import csv
import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from sr4k.queue.job_queue import Queue
from sr4k.queue.queued_job import ENDED, QueuedJob, Totals
from sr4k.web.web_service import WebService

_AT_ONCE = 500
"""Jobs that are read from the queue at the same time."""

_COLUMNS = (
    "id",
    "state",
    "decision",
    "source",
    "result",
    "started",
    "ended",
    "frames",
    "seconds",
    "width",
    "height",
    "codec",
    "container",
    "network",
    "damaged",
    "checks well",
    "source bytes",
    "result bytes",
    "error",
)


class Bin(BaseModel):
    """The bin of a library. ``files``, ``bytes``: how many lie there, and how large they are together."""

    library: str
    path: str
    files: int
    bytes: int


def router(service: WebService) -> APIRouter:
    """Return the routes, which change nothing."""
    made = APIRouter(prefix="/api/v1", tags=["jobs"])

    @made.get("/totals")
    def totals() -> Totals:
        """Add up all jobs that ended."""
        return service.queue.totals()

    @made.get("/history", response_class=StreamingResponse, responses={200: {"content": {"text/csv": {}}}})
    def history() -> StreamingResponse:
        """Send all jobs that ended as a table (CSV), those that ended last first. Times are UTC."""
        headers = {"Content-Disposition": 'attachment; filename="sr4k-jobs.csv"'}
        return StreamingResponse(_lines(service.queue), media_type="text/csv; charset=utf-8", headers=headers)

    @made.get("/bins")
    def bins() -> list[Bin]:
        """Tell what lies in the bins. The service empties none."""
        return [_bin(root, service.library.bin_of(root)) for root in service.library.roots]

    return made


def _lines(queue: Queue) -> Iterator[str]:
    yield _line(_COLUMNS)
    offset = 0
    while jobs := queue.jobs(ENDED, limit=_AT_ONCE, offset=offset, newest=True):
        yield "".join(_line(_row(job)) for job in jobs)
        offset += len(jobs)


def _line(values: tuple[object, ...]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue()


def _row(job: QueuedJob) -> tuple[object, ...]:
    found = job.result
    ends = job.id, job.state, job.decision, job.source
    times = _utc(job.started), _utc(job.ended)
    if found is None:
        return *ends, "", *times, *("" for _ in range(11)), job.error or ""
    return (
        *ends,
        found.output,
        *times,
        found.frames,
        round(found.seconds, 1),
        found.width,
        found.height,
        found.codec,
        found.container,
        found.model,
        found.damaged,
        all(check.ok for check in found.checks),
        found.source_bytes,
        found.result_bytes,
        "",
    )


def _utc(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _bin(root: Path, path: Path) -> Bin:
    sizes = [_size(Path(folder, name)) for folder, _, names in os.walk(path) for name in names]
    return Bin(library=str(root), path=str(path), files=len(sizes), bytes=sum(sizes))


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
