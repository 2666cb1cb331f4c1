"""Jobs of a queue run, whatever becomes of their service: killed at any state, nothing is lost."""

import errno
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import video_times, write_clip
from queues import FAST, Place, finished_segment, until

from sr4k.errors import MachineError, OutputError
from sr4k.media.resume.job_folder import Parts, folder_of
from sr4k.queue import settling
from sr4k.queue.job_queue import WrongState
from sr4k.queue.planning import job_of, jobs_for
from sr4k.queue.queue_runner import Runner
from sr4k.queue.queued_job import JobOptions, JobProgress, JobResult, QueuedJob
from sr4k.queue.settings import QueueSettings
from sr4k.queue.settling import finish_moves, forget, settle

pytestmark = pytest.mark.slow

FRAMES = 240


def segments(target: Path) -> int:
    return len(list(folder_of(target).glob("*.packets")))


@pytest.mark.slow(seconds=20)
def test_a_job_whose_service_is_killed_goes_on_with_the_segment_that_it_was_at_and_can_be_paused(
    tmp_path: Path,
) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=FRAMES, rate=1, size=(320, 180), audio=False)
    target = tmp_path / "a 4K.mp4"
    place = Place(tmp_path)
    job = place.queue.add(clip, target, JobOptions(engine="openvino"))
    waits = place.queue.add(clip, tmp_path / "other.mp4", FAST)
    place.queue.pause(waits.id)
    served = place.served()
    try:
        until(lambda: segments(target) >= 2, lambda: str(place.queue.get(job.id)))
    finally:
        served.kill()
        served.wait()
    assert place.queue.get(job.id).state == "running"
    finished = segments(target) - 1  # the last may have been at work
    with place.runner():
        place.until(job.id, "running")
        place.queue.pause(job.id)
        place.until(job.id, "paused", "done")
        if place.queue.get(job.id).state == "paused":
            assert not target.exists()
            place.queue.resume(job.id)
            place.until(job.id, "running", "done")
        if place.queue.get(job.id).state == "running":
            place.queue.pause(job.id)
            place.queue.resume(job.id)  # at once: the last wish holds
        place.until(job.id, "done", "failed")
    done = place.queue.get(job.id)
    assert done.state == "done", done.error
    assert done.result is not None
    assert done.runs in (2, 3, 4)
    assert done.forecast is not None
    assert done.result.resumed >= 60 * finished
    assert all(check.ok for check in done.result.checks), done.result.checks
    assert [float(t) for t in video_times(target)] == [float(t) for t in video_times(clip)]
    assert place.queue.get(waits.id).state == "paused"


@pytest.mark.slow(seconds=5)
def test_a_result_that_was_complete_when_its_service_was_killed_is_taken_as_it_is_and_replaced_step_by_step(
    tmp_path: Path,
) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=8)
    place = Place(tmp_path)
    job = place.queue.add(clip, tmp_path / "a 4K.mkv", FAST)
    with place.runner():
        place.until(job.id, "done", "failed")
    result = (tmp_path / "a 4K.mkv").read_bytes()

    with place.queue._writing():  # as it was a moment before its service knew
        place.queue.change(job.id, state="running", result=None)
    with place.runner():
        place.until(job.id, "done", "failed")
    done = place.queue.get(job.id)
    assert done.state == "done", done.error
    assert (tmp_path / "a 4K.mkv").read_bytes() == result

    original = clip.read_bytes()
    place.queue.decide(job.id, "replacing")  # killed before anything was moved
    with place.runner():
        pass
    assert place.queue.get(job.id).decision == "replaced"
    assert (tmp_path / "a.mkv").read_bytes() == result
    assert (tmp_path / ".sr4k-bin" / "a.mp4").read_bytes() == original
    assert not clip.exists()

    with place.queue._writing():  # killed between the two moves
        assert done.result is not None
        place.queue.change(job.id, decision="replacing", result=done.result)
    (tmp_path / "a.mkv").rename(tmp_path / "a 4K.mkv")
    with place.runner():
        pass
    assert place.queue.get(job.id).decision == "replaced"
    assert (tmp_path / "a.mkv").read_bytes() == result
    assert [path.name for path in (tmp_path / ".sr4k-bin").iterdir()] == ["a.mp4"]


def test_files_that_are_being_moved_are_left_to_whoever_moves_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path)
    source, output = tmp_path / "a.mp4", tmp_path / "a 4K.mp4"
    for path in (source, output):
        path.write_text(path.name)
    job = place.queue.begin(place.queue.add(source, output, FAST).id)
    sizes = {"source_bytes": source.stat().st_size, "result_bytes": output.stat().st_size}
    place.queue.finish(job.id, JobResult(output=str(output), frames=2, seconds=1.0, damaged=False, **sizes))
    moved, move = list[str](), settling._move

    def slowly(path: Path, to: Path) -> None:
        moved.append(path.name)
        finish_moves(place.queue, place.library)  # as when the page's process has died meanwhile
        move(path, to)

    monkeypatch.setattr(settling, "_move", slowly)
    settle(place.queue, place.library, job.id, "replace")
    assert moved == ["a.mp4", "a 4K.mp4"]
    assert source.read_text() == "a 4K.mp4"


@pytest.mark.slow(seconds=5)
def test_jobs_that_fail_say_why_and_the_next_one_runs(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    clip = write_clip(tmp_path / "a.mp4", frames=4)
    place = Place(tmp_path)
    outside = place.queue.add(tmp_path.parent / "b.mp4", tmp_path / "c 4K.mp4", FAST)  # of another library
    broken = place.queue.add(tmp_path / "broken.mp4", tmp_path / "b 4K.mp4", FAST)
    good = place.queue.add(clip, tmp_path / "a 4K.mp4", FAST)
    with place.runner():
        place.until(good.id, "done", "failed")
        done = place.queue.get(good.id)
        with place.queue._writing():  # as if the disk had been full when it was done
            place.queue.change(good.id, state="running", result=None)
        place.until(good.id, "done", "failed")
    failed = place.queue.get(broken.id)
    assert (failed.state, failed.code) == ("failed", 3)
    assert "isn't in a library" in (place.queue.get(outside.id).error or "")
    assert "broken.mp4" in (failed.error or "")
    assert place.queue.get(good.id).runs == 2
    assert done.result is not None
    assert {check.name: check.ok for check in done.result.checks} == {"frames": True, "duration": True, "streams": True}

    (tmp_path / ".sr4k-bin").touch()  # where no folder can be made then, as on a disk that may only be read
    with pytest.raises(OutputError, match="can't be moved"):
        settle(place.queue, place.library, good.id, "replace")
    assert place.queue.get(good.id).decision == "undecided"
    (tmp_path / "a 4K.mp4").write_bytes(b"another")
    with pytest.raises(OSError, match="has changed"):
        settle(place.queue, place.library, good.id, "discard")
    assert (tmp_path / "a 4K.mp4").exists()
    forget(place.queue, broken.id)
    assert (tmp_path / "broken.mp4").exists()


@pytest.mark.slow(seconds=3)
def test_an_end_that_can_not_be_noted_is_noted_later_and_what_fails_after_an_end_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, clip = Place(tmp_path), write_clip(tmp_path / "a.mp4", frames=2, audio=False)
    for name in "bc":
        place.queue.add(clip, tmp_path / f"{name}.mp4", FAST)
    finish, failures, ended = place.queue.finish, [MachineError("The disk is full.")], list[QueuedJob]()

    def full_once(number: int, result: JobResult) -> QueuedJob:
        if failures:
            raise failures.pop()
        return finish(number, result)

    def removed(job: QueuedJob) -> None:
        ended.append(job)
        forget(place.queue, job.id)
        raise OSError(errno.ESTALE, "Stale file handle")  # of a network drive

    monkeypatch.setattr(place.queue, "finish", full_once)
    with Runner(place.queue, place.library, place.settings, on_end=removed):
        until(lambda: len(ended) == 2)
    assert [(job.state, job.runs) for job in ended] == [("done", 1)] * 2
    assert (ended[0].ended or 0) <= (ended[1].started or 0), "two ran at once"


@pytest.mark.slow(seconds=2)
def test_a_job_whose_source_has_changed_since_it_was_begun_is_begun_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place, clip, target = Place(tmp_path), write_clip(tmp_path / "a.mp4", frames=2), tmp_path / "b.mp4"
    job, parts = place.queue.add(clip, target, FAST), Parts(target)
    finished_segment(parts, {**job_of(clip, target, FAST).facts(), "source.ends": "as it was"})
    with place.runner():
        place.until(job.id, "done", "failed")
    assert "can't be" in (place.queue.get(job.id).error or ""), "what somebody else had begun was thrown away"
    with place.queue._writing():
        place.queue.change(job.id, progress=JobProgress(frames=60))
    place.queue.retry(job.id)
    with place.runner():
        place.until(job.id, "done", "failed")
    done = place.queue.get(job.id)
    assert done.result is not None, done.error
    assert (done.result.frames, done.result.resumed) == (2, 0)
    assert f"Job {job.id} is begun again: source.ends changed since then." in caplog.text


@pytest.mark.slow(seconds=4)
@pytest.mark.parametrize("more", [{"crf": 30}, {"part": "1s@0"}])
def test_a_new_job_with_other_options_than_a_cancelled_one_of_its_target_begins_anew(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    place, clip, target = Place(tmp_path), write_clip(tmp_path / "a.mp4", frames=2), tmp_path / "b.mp4"
    earlier, parts = place.queue.begin(place.queue.add(clip, target, FAST).id), Parts(target)
    finished_segment(parts, job_of(clip, target, FAST).facts())
    place.queue.tell_progress(earlier.id, JobProgress(frames=60))
    place.queue.cancel(earlier.id)
    place.queue.stopped(earlier.id)
    job = place.queue.add(clip, target, FAST.model_copy(update=more))
    with place.runner():
        place.until(job.id, "done", "failed")
    done = place.queue.get(job.id)
    assert done.result is not None, done.error
    assert (done.result.frames, done.result.resumed) == (2, 0)
    assert not parts.folder.exists()


@pytest.mark.slow(seconds=5)
def test_what_users_of_the_service_are_told_of_a_target_that_is_taken_is_something_that_they_can_do(
    tmp_path: Path,
) -> None:
    place, clip = Place(tmp_path), write_clip(tmp_path / "a.mp4", frames=2)
    names = "appeared.mp4", "begun.mp4", "part.mp4", "older.mp4"
    appeared, begun, part, older = (
        place.queue.add(clip, tmp_path / name, JobOptions(engine="nearest", part="1s@0" if "part" in name else None))
        for name in names
    )
    (tmp_path / "appeared.mp4").write_bytes(b"of somebody")
    for name in names[1:3]:  # by a command
        finished_segment(Parts(tmp_path / name), {"scale": "another"})
    folder_of(tmp_path / "older.mp4").mkdir()
    (folder_of(tmp_path / "older.mp4") / "journal.jsonl").write_text('{"version": 0}\n')
    with place.runner():
        place.until(older.id, "done", "failed")
    told = [place.queue.get(job.id).error or "" for job in (appeared, begun, part, older)]
    assert told[0] == f"{tmp_path / 'appeared.mp4'} exists: choose another name, or move it away."
    for name, error in zip(names[1:], told[1:], strict=True):
        assert error.endswith(f"Choose another name, or delete {folder_of(tmp_path / name)}."), error
    assert "=True" not in " ".join(told)


@pytest.mark.slow(seconds=5)
def test_pictures_and_sequences_are_sources_too_and_as_many_jobs_run_at_once_as_is_wanted(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    place.settings.change(QueueSettings(at_once=2))
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((48, 64, 3), 40 * number, np.uint8))
    options = JobOptions(engine="nearest", deinterlace="off")
    pattern, one = tmp_path / "%d.png", tmp_path / "1.png"
    (film,), (still,) = (jobs_for(place.library, [str(path)], None, options) for path in (pattern, one))
    assert (film.target.name, still.target.name) == (f"{tmp_path.name} 4K.mkv", "1 4K.png")
    first, second = (place.queue.add(job.source, job.target, options) for job in (film, still))
    with place.runner():
        place.until(first.id, "done", "failed")
        place.until(second.id, "done", "failed")
    for number, frames in ((first.id, 3), (second.id, 1)):
        done = place.queue.get(number)
        assert done.result is not None, done.error
        assert (done.result.frames, all(check.ok for check in done.result.checks)) == (frames, True), done.result
    assert (place.queue.get(second.id).started or 0) < (place.queue.get(first.id).ended or 0), "one after the other"
    with pytest.raises(WrongState, match="many pictures"):
        settle(place.queue, place.library, first.id, "replace")
    assert settle(place.queue, place.library, second.id, "replace").result.output == str(one)  # type: ignore[union-attr]
    assert cv2.imread(str(one)).shape == (96, 128, 3)


def test_outside_its_hours_and_while_it_is_paused_nothing_is_started(tmp_path: Path) -> None:
    place = Place(tmp_path)
    job = place.queue.add(write_clip(tmp_path / "a.mp4", frames=4), tmp_path / "a 4K.mp4", FAST)
    hour = time.localtime().tm_hour
    place.settings.change(QueueSettings(hours=f"{(hour + 2) % 24:02}:00-{(hour + 3) % 24:02}:00"))
    with place.runner():
        time.sleep(1)
        assert place.queue.get(job.id).state == "waiting"
        place.queue.pause_all(True)
        place.settings.change(QueueSettings())
        time.sleep(1)
        assert place.queue.get(job.id).state == "waiting"
        place.queue.pause_all(False)
        place.until(job.id, "done", "failed")


def test_two_services_never_run_one_queue(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.runner(), pytest.raises(OutputError, match="Another service"):
        place.runner().start()
