"""What becomes of a result: kept beside its source, put in its place, or discarded. No source is ever deleted."""

import errno
import logging
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path

from sr4k.errors import InputError, OutputError
from sr4k.media.image_names import is_sequence
from sr4k.media.paths import free_name
from sr4k.media.resume.job_folder import claimed, folder_of
from sr4k.media.resume.journal import flush_to_disk
from sr4k.queue.file_mark import mark_of
from sr4k.queue.job_queue import Queue, WrongState
from sr4k.queue.queued_job import Decision, Ending, JobResult, QueuedJob
from sr4k.queue.settings import Library

log = logging.getLogger(__name__)

_OPEN: tuple[Decision, ...] = ("undecided", "kept")
"""Decisions that may be followed by another one."""

_moving: set[int] = set()
"""Jobs whose files this process is moving."""

_looking = threading.Lock()


def settle(queue: Queue, library: Library, number: int, how: Ending) -> QueuedJob:
    """Decide on the result of a job that is done.

    ``keep``: both files stay. ``replace``: the source is moved into the bin of its library, and the result gets its
    name, with the suffix of its own container. ``discard``: the result is deleted.

    Raises:
        NoSuchJob, WrongState: there is no such job, it is not done, or was decided on already.
        InputError: a file isn't there any more, or is not the one that the job read or wrote.
        OutputError: a file can't be moved.
    """
    job = queue.get(number)
    if job.state != "done" or job.result is None:
        raise WrongState(f"Job {number} is {job.state}: only results of jobs that are done can be settled.")
    if how == "keep":
        return queue.decide(number, "kept", after=_OPEN)
    if job.decision not in _OPEN:
        raise WrongState(f"The result of job {number} is {job.decision} already.")
    source, output = Path(job.source), Path(job.result.output)
    for path in (source, output):
        library.inside(path)
    _check(output, job.result.result_bytes, job.result.result_mark, "result")
    before = job.decision
    if how == "discard":
        discarded = queue.decide(number, "discarded", after=_OPEN)
        try:
            _delete(output)
        except OutputError:
            queue.decide(number, before)
            raise
        return discarded
    _check_replacing(job, job.result)
    with _looking:
        job = queue.decide(number, "replacing", after=_OPEN)  # from here on it is finished, whatever happens
        _moving.add(number)
    try:
        return _replaced(queue, library, job)
    except (OSError, InputError, OutputError):
        if os.path.lexists(source) and os.path.lexists(output):  # nothing was moved: it may be decided again
            queue.decide(number, before)
        raise
    finally:
        _moving.discard(number)


def finish_moves(queue: Queue, library: Library) -> None:
    """Finish to move the files of jobs whose program was killed meanwhile."""
    with _looking:
        left = [job for job in queue.undecided_moves() if job.id not in _moving]
    for job in left:
        try:
            _replaced(queue, library, job)
        except (OSError, InputError, OutputError) as err:
            log.error("The files of job %d could not be moved: %s", job.id, err)


def forget(queue: Queue, number: int) -> QueuedJob:
    """Remove a job from the queue, and what it had finished, if it was not done and no other job may go on with that.

    Raises:
        NoSuchJob, WrongState: it is not there, or runs.
        OutputError: the folder of its segments is in use; the job stays.
    """
    job = queue.get(number)
    target = Path(job.target)
    if not _leaves_segments(queue, job) or not folder_of(target).exists():
        return queue.remove(number)
    with claimed(target) as parts:  # first: a job whose segments can't be removed has to stay with them
        removed = queue.remove(number)
        parts.remove()
    return removed


def _leaves_segments(queue: Queue, job: QueuedJob) -> bool:
    """Whether segments of a job that does not run are of no use once it is removed."""
    return job.state not in ("done", "running") and bool(job.runs) and not queue.has_other_with_target(job)


def _check_replacing(job: QueuedJob, result: JobResult) -> None:
    source, output = Path(job.source), Path(result.output)
    if job.options.part is not None:
        raise WrongState("The result is only a part of its source, and can't replace it.")
    if is_sequence(source):
        raise WrongState("The source is many pictures, and one file can't take their place.")
    _check(source, result.source_bytes, result.source_mark, "source")
    final = _final(source, output)
    if final not in (source, output) and os.path.lexists(final):
        raise OutputError(f"{final} exists already: move it away first.")


def _replaced(queue: Queue, library: Library, job: QueuedJob) -> QueuedJob:
    """Move the source into the bin, then the result to its name. Each step is done only if it was not done yet."""
    result = job.result
    assert result is not None
    library.inside(job.source)
    source, output = Path(job.source), Path(result.output)
    final = _final(source, output)
    if output.exists() or not final.exists():  # else both steps were done
        if source.exists():
            original = free_name(library.bin_of(source), taken=os.path.lexists)
            result = result.model_copy(update={"original": str(original)})
            queue.decide(job.id, "replacing", result)  # first: whoever is killed after the move still knows where it is
            _move(source, original)
        if not output.exists():
            raise InputError(f"{output} does not exist.")
        if final != output:
            if os.path.lexists(final):
                raise OutputError(f"{final} exists already: move it away first.")
            _move(output, final)
    return queue.decide(job.id, "replaced", result.model_copy(update={"output": str(final)}))


def _final(source: Path, output: Path) -> Path:
    return source.with_suffix(output.suffix)


def _check(path: Path, size: int, mark: str | None, what: str) -> None:
    """Refuse a file that is not there, or not as it was when its job was done. ``mark``: see `mark_of`."""
    if not path.is_file():
        raise InputError(f"The {what} {path} isn't there any more.")
    if path.stat().st_size != size or (mark is not None and mark_of(path) != mark):
        raise InputError(f"The {what} {path} has changed since the job was done: nothing was moved.")


def _delete(path: Path) -> None:
    try:
        path.unlink()
    except OSError as err:
        raise OutputError(f"{path} can't be deleted ({err.strerror}).") from err


def _move(path: Path, to: Path) -> None:
    """Move a file, to another file system if need be; it is never under neither name."""
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.rename(to)
        except OSError as err:
            if err.errno != errno.EXDEV:
                raise
            beside = to.with_name(f".{to.name}.moving")
            with suppress(OSError):
                beside.unlink()
            shutil.copy2(path, beside)
            flush_to_disk(beside)
            beside.rename(to)
            flush_to_disk(to.parent)
            path.unlink()
        flush_to_disk(to.parent)
    except OSError as err:
        raise OutputError(f"{path} can't be moved to {to} ({err.strerror}).") from err
