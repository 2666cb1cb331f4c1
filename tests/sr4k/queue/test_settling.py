"""What becomes of results and of finished segments, when jobs are decided on and removed."""

from pathlib import Path

import pytest
from queues import FAST, Place, finished_segment

from sr4k.errors import OutputError
from sr4k.media.resume.job_folder import Parts, claimed
from sr4k.queue.job_queue import NoSuchJob, WrongState
from sr4k.queue.queued_job import QueuedJob
from sr4k.queue.settling import forget


def added(place: Place, target: Path) -> QueuedJob:
    """Add a job, and let it run."""
    return place.queue.begin(place.queue.add(place.folder / "a.mp4", target, FAST).id)


def cancelled(place: Place, target: Path) -> QueuedJob:
    job = added(place, target)
    place.queue.cancel(job.id)
    return place.queue.stopped(job.id)


@pytest.mark.parametrize("other", ["running", "waiting", "paused", "cancelled", "failed"])
def test_segments_stay_while_another_job_that_is_not_done_has_their_target(tmp_path: Path, other: str) -> None:
    place, parts = Place(tmp_path), finished_segment(Parts(tmp_path / "T.mkv"))
    first, second = cancelled(place, parts.target), added(place, parts.target)
    match other:
        case "waiting":
            place.queue.stopped(second.id)
        case "paused" | "cancelled":
            place.queue.pause(second.id) if other == "paused" else place.queue.cancel(second.id)
            place.queue.stopped(second.id)
        case "failed":
            place.queue.fail(second.id, "It is full.", 5)
    with claimed(parts.target):  # as a job that runs does
        forget(place.queue, first.id)
    with pytest.raises(NoSuchJob):
        place.queue.get(first.id)
    assert parts.done_until == 59

    if other == "running":
        with claimed(parts.target), pytest.raises(WrongState, match="cancel it first"):
            forget(place.queue, second.id)
        place.queue.fail(second.id, "It is full.", 5)
    forget(place.queue, second.id)
    assert not parts.folder.exists()


def test_a_job_whose_segments_are_in_use_and_so_can_not_be_removed_stays(tmp_path: Path) -> None:
    place, parts = Place(tmp_path), finished_segment(Parts(tmp_path / "T.mkv"))
    job = cancelled(place, parts.target)
    with claimed(parts.target), pytest.raises(OutputError, match="another run"):  # of the command
        forget(place.queue, job.id)
    assert place.queue.get(job.id).state == "cancelled"
    assert parts.done_until == 59
