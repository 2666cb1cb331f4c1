"""Forecasts that were made for users, so that a job that is added is kept with the one that was seen before."""

import threading
from collections import OrderedDict
from typing import Any

from sr4k.jobs.file_job import Job
from sr4k.queue.errand import in_child
from sr4k.queue.planning import FORECAST_SECONDS, forecast_of
from sr4k.queue.queued_job import JobOptions

_KEPT = 1000
"""Forecasts that are kept; the oldest go first."""


class Forecasts:
    """Makes forecasts, one at a time, and keeps them while the page runs. Any thread may use it."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._making = threading.Lock()

    def known(self, job: Job, options: JobOptions) -> dict[str, Any] | None:
        """Return the forecast of a job with these options; ``None``: there is none of its source as it is now."""
        return self._known.get(_key(job, options))

    def made(self, job: Job, options: JobOptions) -> dict[str, Any]:
        """Return the forecast of a job, which takes some seconds of all CPUs if it is not known.

        Raises:
            Sr4kError: the job would fail.
        """
        with self._making:
            if (found := self.known(job, options)) is not None:
                return found
            made: dict[str, Any] = in_child(
                forecast_of, str(job.source), str(job.target), options, seconds=FORECAST_SECONDS
            )
            self._known[_key(job, options)] = made
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
            return made


def _key(job: Job, options: JobOptions) -> str:
    try:
        about = job.source.stat()
        version = f"{about.st_size} {about.st_mtime_ns}"
    except OSError:
        version = "gone"
    return "\n".join((str(job.source), str(job.target), version, options.model_dump_json()))
