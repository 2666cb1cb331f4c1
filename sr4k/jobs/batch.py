"""Run several jobs side by side: each plans for its share of the CPUs, and all compete for them with equal priority."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

from sr4k.engines.cpu import granted_cpus
from sr4k.errors import Sr4kError
from sr4k.jobs.fast_enough import fast_enough
from sr4k.jobs.file_job import Job
from sr4k.jobs.summary import Summary
from sr4k.pipeline import WorkerStatus

_TICK = 0.1
"""Seconds between two checks whether all jobs have ended."""

Result = Summary | Sr4kError | None
"""Summary of a job, its error, or ``None`` if it had not started when a stop was requested."""


def run_jobs(
    jobs: Sequence[Job],
    *,
    at_once: int = 1,
    target_fps: str | None = None,
    on_status: Callable[[int, dict[str, WorkerStatus]], None] = lambda _index, _statuses: None,
    on_end: Callable[[int, Result], None] = lambda _index, _result: None,
    stop_requests: Callable[[], int] = lambda: 0,
) -> list[Result]:
    """Run jobs in order, ``at_once`` at a time. A job that fails does not affect the others.

    Args:
        target_fps: frames per second that are wanted of each; see `sr4k.jobs.fast_enough`.
        on_status: called with the index of a job and its workers' statuses; from several threads.
        on_end: called once with the index of a job and its result; from several threads.
        stop_requests: as for `Job.run`, for all jobs that run. Jobs that have not started are skipped.

    Returns:
        One result for each job, in the same order.
    """
    at_once = min(at_once, len(jobs))
    cpus = max(1, granted_cpus() // at_once)

    def run(index: int) -> Result:
        result: Result = None
        if not stop_requests():
            job = replace(jobs[index], cpus=cpus)
            try:
                if target_fps is not None:
                    job = fast_enough(job, target_fps, stop_requests=stop_requests)
                result = job.run(
                    on_status=lambda statuses: on_status(index, statuses),
                    stop_requests=stop_requests,
                )
            except Sr4kError as err:
                result = err
        on_end(index, result)
        return result

    with ThreadPoolExecutor(at_once) as pool:
        running = [pool.submit(run, index) for index in range(len(jobs))]
        # Python's signal handlers run in the main thread, and a signal that is delivered to another thread of the
        # process does not wake it: it has to wake up by itself.
        while wait(running, timeout=_TICK).not_done:
            pass
        return [future.result() for future in running]
