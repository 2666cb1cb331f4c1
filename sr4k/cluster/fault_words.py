"""What goes wrong on a cluster's machines, in a few words for people."""

from pathlib import Path
from typing import Any

from ray.exceptions import NodeDiedError, OutOfMemoryError, TaskUnschedulableError, WorkerCrashedError

from sr4k.cluster.tasks import SegmentTask
from sr4k.errors import OutputError, Sr4kError
from sr4k.media.writing.write_errors import FullDiskError

_IN_WORDS: dict[type[Exception], str] = {
    FullDiskError: "its disk is full",
    OutOfMemoryError: "Ray ended the process that made it, as the memory there was nearly full",
    WorkerCrashedError: "the process that made it has ended",
}


def is_of_machine(error: Any) -> bool:
    """Whether Ray says that a machine is gone, or can't be reached."""
    return isinstance(error, NodeDiedError | TaskUnschedulableError)


def span_of(task: SegmentTask) -> str:
    """Return the times of a segment."""
    return f"{task.stretch.start:.2f} s to {task.stretch.end:.2f} s"


def reason_of(error: object) -> str:
    """Return the first line of an error, without its full stop; what is said at length elsewhere, in a few words."""
    for kind, words in _IN_WORDS.items():
        if isinstance(error, kind):
            return words
    if isinstance(error, OSError) and not isinstance(error, Sr4kError) and error.strerror:
        return f"{error.filename}: {error.strerror}"
    text = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return text.rstrip(".")


def made_again(segments: int) -> str:
    """Return the end of a line on a machine, which has made so many segments that others make again."""
    if not segments:
        return ""
    return f": the segment{'s' if segments > 1 else ''} that it was making {'are' if segments > 1 else 'is'} made again"


def of_job(error: Exception) -> Sr4kError:
    """Return a machine's error as that of the job, whose finished segments are kept."""
    if isinstance(error, FullDiskError):
        return FullDiskError(str(Path(error.folder).parent), True)
    return error if isinstance(error, Sr4kError) else OutputError(f"{reason_of(error)}.")
