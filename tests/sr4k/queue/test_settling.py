"""What becomes of results and of finished segments, when jobs are decided on and removed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from queues import FAST, Place, finished_segment

from sr4k.errors import InputError, OutputError
from sr4k.media.resume.job_folder import Parts, claimed
from sr4k.queue.file_mark import about_files
from sr4k.queue.job_queue import NoSuchJob, WrongState
from sr4k.queue.queued_job import JobResult, QueuedJob
from sr4k.queue.settling import forget, settle


def added(place: Place, target: Path) -> QueuedJob:
    """Add a job, and let it run."""
    return place.queue.begin(place.queue.add(place.folder / "a.mp4", target, FAST).id)


def cancelled(place: Place, target: Path) -> QueuedJob:
    job = added(place, target)
    place.queue.cancel(job.id)
    return place.queue.stopped(job.id)


def done(place: Place, source: Path, output: Path) -> QueuedJob:
    """Write source and result of a job, which is done."""
    for path in (source, output):
        path.write_text(f"{path.name} {'x' * 5000}")
    job = place.queue.begin(place.queue.add(source, output, FAST).id)
    result = JobResult(output=str(output), frames=2, seconds=1.0, damaged=False, **about_files(source, output))
    return place.queue.finish(job.id, result)


def rewritten(path: Path) -> None:
    """Write the end of a file anew, of the same length and with the same time."""
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(-1000, os.SEEK_END)
        file.write(b"y" * 1000)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def put_in_its_place(path: Path) -> None:
    """Put another file in the place of one, as a copy of the same content does."""
    beside = path.with_name("beside")
    beside.write_bytes(path.read_bytes())
    os.utime(beside, ns=(0, path.stat().st_mtime_ns + 1))
    beside.replace(path)


@pytest.mark.parametrize("change", [rewritten, put_in_its_place])
def test_a_file_that_was_changed_since_its_job_was_done_stays_also_if_its_size_is_the_same(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    place, source, output = Place(tmp_path), tmp_path / "a.mp4", tmp_path / "a 4K.mp4"
    job = done(place, source, output)
    change(source)
    changed = source.read_bytes()
    with pytest.raises(InputError, match=r"source .* has changed"):
        settle(place.queue, place.library, job.id, "replace")
    assert source.read_bytes() == changed
    change(output)
    changed = output.read_bytes()
    for how in ("discard", "replace"):
        with pytest.raises(InputError, match=r"result .* has changed"):
            settle(place.queue, place.library, job.id, how)
    assert output.read_bytes() == changed
    assert place.queue.get(job.id).decision == "undecided"


def test_a_copy_of_the_library_on_another_disk_counts_as_unchanged(tmp_path: Path) -> None:
    place, source, output = Place(tmp_path), tmp_path / "a.mp4", tmp_path / "a 4K.mp4"
    job = done(place, source, output)
    for path in (source, output):  # as cp -a does; its inode is another one
        shutil.copy2(path, tmp_path / "copy")
        (tmp_path / "copy").replace(path)
    assert settle(place.queue, place.library, job.id, "replace").decision == "replaced"


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
