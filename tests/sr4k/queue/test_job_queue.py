"""The queue as a file: order, states, and what it tells."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from pydantic import ValidationError

from sr4k.errors import MachineError, OptionError, OutputError
from sr4k.queue.job_queue import NoSuchJob, Queue, WrongState
from sr4k.queue.queued_job import JobOptions, JobProgress, JobResult, QueuedJob


def filled(queue: Queue, names: str) -> list[QueuedJob]:
    return [queue.add(Path(f"/v/{name}.mp4"), Path(f"/v/{name} 4K.mp4")) for name in names]


def order(queue: Queue) -> str:
    return "".join(Path(job.source).stem for job in queue.jobs())


def test_jobs_run_by_priority_and_then_in_the_order_that_users_gave_them(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "q.sqlite")
    a, b, _c, d = filled(queue, "abcd")
    queue.move(d.id, before=b.id)
    assert order(queue) == "adbc"
    queue.move(a.id, before=None)
    assert order(queue) == "dbca"
    queue.prioritise(a.id, 5)
    assert order(queue) == "adbc"
    queue.move(b.id, before=b.id)
    assert order(queue) == "adbc"
    queue.move(b.id, before=a.id)  # and takes its priority
    assert order(queue) == "badc"
    found = queue.next()
    assert found is not None
    assert found.id == b.id
    assert order(Queue(tmp_path / "q.sqlite")) == "badc"


def test_a_job_that_is_moved_keeps_its_priority_where_its_new_place_allows(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "q.sqlite")
    a, b, c, d, gone = filled(queue, "abcdx")
    for job, priority in ((c, -10), (d, -20), (gone, -5)):
        queue.prioritise(job.id, priority)
    queue.cancel(gone.id)  # it waits no more: its priority is in nobody's way

    def moved(job: QueuedJob, **beside: int) -> tuple[str, int]:
        queue.move(job.id, **beside)
        return order(queue).replace("x", ""), queue.get(job.id).priority

    assert moved(a, after=b.id) == ("bacd", 0)
    assert moved(a, after=c.id) == ("bcad", -10)
    assert moved(a, before=c.id) == ("bacd", -10)
    assert moved(b, before=a.id) == ("bacd", 0)
    assert moved(b, before=c.id) == ("abcd", -10)
    assert moved(d, before=c.id) == ("abdc", -10)
    queue.prioritise(c.id, -30)
    assert moved(a, after=c.id) == ("bdca", -30)
    assert moved(b, after=c.id) == ("dcba", -30)
    queue.prioritise(b.id, -20)
    assert moved(b, before=c.id) == ("dbca", -20)


def test_states_follow_what_was_asked_and_nothing_else_is_allowed(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "q.sqlite")
    a, b = filled(queue, "ab")
    assert queue.pause(a.id).state == "paused"
    assert queue.resume(a.id).state == "waiting"
    assert queue.begin(a.id).runs == 1
    assert queue.pause(a.id).asked == "pause"
    assert queue.stopped(a.id).state == "paused"
    assert queue.cancel(a.id).state == "cancelled"
    assert queue.retry(a.id).state == "waiting"
    queue.begin(a.id)
    assert queue.stopped(a.id).state == "waiting"  # it was not asked: its service died
    queue.begin(a.id)
    with pytest.raises(WrongState, match="running"):
        queue.remove(a.id)
    assert queue.fail(a.id, "The source can't be read.", 3).error == "The source can't be read."
    for wrong in (queue.pause, queue.cancel, queue.resume):
        with pytest.raises(WrongState):
            wrong(a.id)
    queue.remove(a.id)
    with pytest.raises(NoSuchJob):
        queue.get(a.id)
    assert queue.counts() == {"waiting": 1}
    assert filled(queue, "c")[0].id > b.id  # numbers are never used again


def test_what_a_running_job_was_asked_for_last_holds(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "q.sqlite")
    (a,) = filled(queue, "a")
    queue.begin(a.id)
    assert (queue.pause(a.id).asked, queue.resume(a.id).asked) == ("pause", None)
    assert queue.stopped(a.id).state == "waiting"  # its process had been told to end: it goes on when it is its turn
    queue.begin(a.id)
    assert (queue.cancel(a.id).asked, queue.retry(a.id).asked) == ("cancel", None)
    queue.pause(a.id)
    queue.cancel(a.id)
    with pytest.raises(WrongState):
        queue.resume(a.id)
    queue.tell_progress(a.id, JobProgress(frames=5, share=0.5, fps=25.0, eta=9.0))
    queue.pause(a.id)
    paused = queue.stopped(a.id)
    assert (paused.state, paused.progress) == ("paused", JobProgress(frames=5, share=0.5))


def test_of_two_who_decide_on_a_result_at_once_one_is_refused(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "q.sqlite")
    (a,) = filled(queue, "a")
    queue.begin(a.id)
    queue.finish(a.id, JobResult(output=a.target, frames=1, seconds=1, damaged=False, source_bytes=1, result_bytes=1))
    assert queue.get(a.id).progress.share == 1  # also where nobody knew how much there was to do
    with pytest.raises(WrongState, match=f"Job {a.id} is done already"):
        queue.retry(a.id)
    assert queue.decide(a.id, "replacing", after=("undecided", "kept")).decision == "replacing"
    with pytest.raises(WrongState, match="is replacing already"):
        queue.decide(a.id, "discarded", after=("undecided", "kept"))


def test_two_unfinished_jobs_never_have_one_target(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "q.sqlite")
    (first,) = filled(queue, "a")
    with pytest.raises(OptionError, match=f"target of job {first.id}"):
        filled(queue, "a")
    queue.cancel(first.id)
    (second,) = filled(queue, "a")
    with pytest.raises(OptionError, match=f"job {second.id}"):
        queue.retry(first.id)


def test_events_tell_all_that_happened_after_one_that_is_known(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "q.sqlite")
    (job,) = filled(queue, "a")
    known = queue.latest
    queue.begin(job.id)
    queue.tell_progress(job.id, JobProgress(frames=5, share=0.5))
    queue.pause_all(True)
    told = queue.events(known)
    assert [event.kind for event in told] == ["changed", "progress", "queue"]
    assert told[0].data == {"state": "running"}
    assert told[1].data["frames"] == 5
    assert queue.is_paused


def test_what_failed_in_the_middle_of_a_change_changed_nothing(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "q.sqlite")
    a, _b = filled(queue, "ab")
    known = queue.latest
    with pytest.raises(NoSuchJob):
        queue.move(a.id, before=99)
    assert order(queue) == "ab"
    assert queue.latest == known


def test_a_queue_of_another_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "q.sqlite")
    filled(queue, "a")
    with queue._writing():
        queue._base.execute("PRAGMA user_version=99")
    queue.close()
    with pytest.raises(OutputError, match="another version"):
        Queue(tmp_path / "q.sqlite")


@pytest.mark.slow(seconds=1)
def test_several_may_open_a_new_queue_at_the_same_moment(tmp_path: Path) -> None:
    together = 8
    barrier = Barrier(together)

    def opened(path: Path) -> None:
        barrier.wait(60)
        Queue(path).close()

    with ThreadPoolExecutor(together) as threads:
        for turn in range(60):
            list(threads.map(opened, [tmp_path / f"{turn}.db"] * together))


def test_a_list_of_200_jobs_is_read_at_once(tmp_path: Path) -> None:
    queue, statements = Queue(tmp_path / "q.sqlite"), list[str]()
    for number in range(200):
        queue.add(Path(f"/v/{number}.mp4"), Path(f"/v/{number}.mkv"))
    queue._base.set_trace_callback(statements.append)
    assert len(queue.jobs()) == 200
    assert len(statements) == 1


def test_a_disk_that_is_full_is_told_in_one_line_and_nothing_is_lost(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "q.sqlite")
    filled(queue, "a")
    pages = queue._rows("PRAGMA page_count")[0][0]
    queue._rows(f"PRAGMA max_page_count={pages}")
    with pytest.raises(MachineError, match=r"can't be read or written: database or disk is full\."):
        queue.add(Path("/v/b.mp4"), Path("/v/" + "long" * 5000))
    queue._rows(f"PRAGMA max_page_count={pages + 1000}")
    filled(queue, "c")
    assert order(queue) == "ac"


def test_numbers_are_taken_where_python_takes_them_or_text() -> None:
    options = JobOptions.model_validate({"source_quality": 30, "track": 1})
    assert (options.source_quality, options.track) == ("30", "1")
    for value in (True, 1.5, [1]):
        with pytest.raises(ValidationError, match="should be a valid string"):
            JobOptions.model_validate({"source_quality": value})
