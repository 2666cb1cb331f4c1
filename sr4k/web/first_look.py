"""A look into the videos that are added, so that one that can't be read is refused at once."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from sr4k.errors import InputError, MachineError
from sr4k.jobs.file_job import Job
from sr4k.queue.errand import in_child
from sr4k.queue.planning import faults_of
from sr4k.web.errands import Errands

_MOST = 20
"""Videos that are looked into; of more, none is, for whoever adds them waits."""

_SECONDS = 30.0
"""Most seconds that the looks may take."""


def readable(
    errands: Errands, jobs: Sequence[Job], named: Collection[Path], is_seen: Callable[[Job], bool]
) -> list[Job]:
    """Return the jobs without those of folders whose sources can't be read, unless there is nothing else.

    What can't be told in time, or while too much else is looked into, is taken as it is: the job will tell.

    Args:
        errands: counts this look.
        jobs: whose sources are looked into.
        named: sources that somebody asked for by their names, and not by that of a folder.
        is_seen: whether the source of a job was read before, as it is now.

    Raises:
        InputError: one of these can't be read, or no source of a folder can.
    """
    unseen = [str(job.source) for job in jobs if not is_seen(job)]
    if not unseen or len(unseen) > _MOST:
        return [*jobs]
    try:
        with errands.one():
            faults = in_child(faults_of, unseen, seconds=_SECONDS)
    except MachineError:
        return [*jobs]
    good = [job for job in jobs if str(job.source) not in faults]
    for path, fault in faults.items():
        if not good or Path(path) in named:
            raise InputError(fault)
    return good
