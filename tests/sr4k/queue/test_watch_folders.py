"""Videos that appear in a watch folder become jobs, once they are written."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from clips import write_clip
from queues import FAST, Place, until

from sr4k.queue import folder_changes, watch_folders
from sr4k.queue.errand import in_child
from sr4k.queue.queued_job import JobResult
from sr4k.queue.settings import QueueSettings, WatchFolder
from sr4k.queue.watch_folders import Watcher

pytestmark = pytest.mark.slow


@pytest.mark.slow(seconds=8)
def test_new_small_videos_become_jobs_once_and_large_or_unfinished_ones_do_not(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    place = Place(tmp_path)
    small = write_clip(inbox / "small.mp4", frames=4)
    write_clip(inbox / "large.mp4", frames=2, size=(640, 480))
    write_clip(inbox / "done.mp4", frames=2)
    (inbox / "done 4K.mkv").write_bytes(b"there already")
    (inbox / os.fsdecode(b"b\xe4r.mp4")).write_bytes(small.read_bytes())
    (inbox / "out.mp4").symlink_to(write_clip(tmp_path.parent / f"{tmp_path.name}.mp4", frames=2))
    watch = WatchFolder(folder=inbox, smaller_than=(320, 240), stable=2, options=FAST, once_done="replace")
    drive = tmp_path / "drive"
    drive.mkdir()
    folders = {"inbox": watch, "drive": watch.model_copy(update={"folder": drive})}
    place.settings.change(QueueSettings(watch=folders))
    drive.rmdir()
    place.settings.change(QueueSettings(watch=folders, at_once=2))
    with Watcher(place.queue, place.library, place.settings):
        until(lambda: bool(place.queue.jobs()))
        growing = inbox / "growing.mp4"
        whole = small.read_bytes()
        with growing.open("wb") as file:
            for part in range(4):
                file.write(whole[part * len(whole) // 4 : (part + 1) * len(whole) // 4])
                file.flush()
                time.sleep(0.5)
        until(lambda: len(place.queue.jobs()) == 2)
        drive.mkdir()  # a drive that was away when the service was started
        write_clip(drive / "late.mp4", frames=2)
        until(lambda: len(place.queue.jobs()) == 3)
    assert [(Path(job.source).name, job.origin) for job in place.queue.jobs()] == [
        ("small.mp4", "watch:inbox"),
        ("growing.mp4", "watch:inbox"),
        ("late.mp4", "watch:drive"),
    ]
    assert Path(place.queue.jobs()[0].target) == inbox / "small 4K.mkv"

    again = Watcher(place.queue, place.library, place.settings)
    for job in place.queue.jobs():
        place.queue.remove(job.id)
    newer = write_clip(inbox / "newer.mp4", frames=2)
    with again:  # what was looked into is known, also to another service
        until(lambda: bool(place.queue.jobs()) and not again._found)
    assert [job.source for job in place.queue.jobs()] == [str(newer)]


@pytest.mark.slow(seconds=5)
def test_changed_rules_hold_for_files_that_wait_and_no_result_of_the_queue_becomes_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    place = Place(tmp_path)
    watch = WatchFolder(folder=inbox, smaller_than=(320, 240), stable=2, options=FAST)
    place.settings.change(QueueSettings(watch={"inbox": watch}))
    clip = write_clip(inbox / "known.mp4", frames=2)
    for name in ("known 4K.mkv", "removed 4K.mkv", "by hand.mkv"):
        job = place.queue.begin(place.queue.add(clip, inbox / name).id)
        write_clip(inbox / name, frames=2)
        result = {"frames": 2, "seconds": 1.0, "damaged": False, "source_bytes": 1, "result_bytes": 1}
        place.queue.finish(job.id, JobResult(output=str(inbox / name), **result))
        if name.startswith("removed"):
            place.queue.remove(job.id)
    write_clip(inbox / "cut 4K.partial.mkv", frames=2)
    write_clip(inbox / "sample.mp4", frames=2)
    write_clip(inbox / "new.mp4", frames=2)

    def rule(output: str) -> None:
        changed = watch.model_copy(update={"output": output, "but_not": ("sample*",)})
        place.settings.change(QueueSettings(watch={"inbox": changed}))

    def looked_into(*args: Any, **more: Any) -> Any:
        rule("{stem} up.mkv")  # a look takes its time
        return in_child(*args, **more)

    monkeypatch.setattr("sr4k.queue.watch_folders.in_child", looked_into)
    watcher = Watcher(place.queue, place.library, place.settings)
    with watcher:
        until(lambda: {inbox / "sample.mp4", inbox / "new.mp4"} <= watcher._found.keys())
        rule("{stem} late.mkv")
        until(lambda: bool(place.queue.jobs(["waiting"])) and not watcher._found)
    assert [Path(job.target).name for job in place.queue.jobs(["waiting"])] == ["new up.mkv"]


@pytest.mark.slow(seconds=5)
def test_what_appears_or_changes_while_the_folder_is_looked_at_and_what_is_moved_there_in_a_folder_become_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, album = tmp_path / "inbox", tmp_path / "album"
    inbox.mkdir()
    album.mkdir()
    place = Place(tmp_path)
    late = write_clip(tmp_path / "late.mp4", frames=2)
    whole = late.read_bytes()
    (album / "in a folder.mp4").write_bytes(whole)
    (inbox / "cut.mp4").write_bytes(whole[:500])
    place.settings.change(QueueSettings(watch={"inbox": WatchFolder(folder=inbox, stable=1, options=FAST)}))

    def walked(path: Path) -> Iterator[Path]:
        yield from files(path)
        if late.exists():
            late.rename(inbox / "late.mp4")

    def looked_into(function: Any, path: str, **more: Any) -> Any:
        try:
            return in_child(function, path, **more)
        finally:
            if path.endswith("cut.mp4"):  # its writer was away for longer than a file has to stay as it is
                (inbox / "cut.mp4").write_bytes(whole)

    files = watch_folders.files
    monkeypatch.setattr(watch_folders, "files", walked)
    monkeypatch.setattr(watch_folders, "in_child", looked_into)
    with Watcher(place.queue, place.library, place.settings):
        until(lambda: not late.exists())
        album.rename(inbox / "album")
        until(lambda: len(place.queue.jobs()) == 3)
    assert {Path(job.source).name for job in place.queue.jobs()} == {"late.mp4", "in a folder.mp4", "cut.mp4"}


@pytest.mark.slow(seconds=5)
def test_videos_whose_results_would_have_one_name_all_become_jobs_with_names_of_their_own(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    place = Place(tmp_path)
    for suffix in (".mp4", ".mkv", ".mov"):
        write_clip(inbox / f"same{suffix}", frames=2)
    first = place.queue.begin(place.queue.add(inbox / "same.mp4", inbox / "big same.mp4", FAST).id)
    result = {"frames": 2, "seconds": 1.0, "damaged": False, "source_bytes": 1, "result_bytes": 1}
    place.queue.finish(first.id, JobResult(output=first.target, **result))
    (inbox / "big same.mp4").touch()
    watch = WatchFolder(folder=inbox, stable=1, output="big {stem}.mp4", options=FAST)
    place.settings.change(QueueSettings(watch={"inbox": watch}))
    with Watcher(place.queue, place.library, place.settings):
        until(lambda: len(place.queue.jobs()) == 3)
    assert {Path(job.source).name: Path(job.target).name for job in place.queue.jobs()} == {
        "same.mp4": "big same.mp4",
        "same.mkv": "big same.mkv.mp4",
        "same.mov": "big same.mov.mp4",
    }


@pytest.mark.slow(seconds=6)
def test_a_file_that_something_else_kept_out_is_tried_again_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inbox, in_the_way = tmp_path / "inbox", tmp_path / "inbox" / "up"
    inbox.mkdir()
    place = Place(tmp_path)
    clip = write_clip(inbox / "clip.mp4", frames=2)
    watch = WatchFolder(folder=inbox, stable=1, output="up/{stem}.mkv", options=FAST)
    place.settings.change(QueueSettings(watch={"inbox": watch}))
    in_the_way.touch()
    monkeypatch.setattr(watch_folders, "_AGAIN", 0.0)
    looks = []
    monkeypatch.setattr("sr4k.queue.watch_folders.in_child", lambda *a, **k: looks.append(a) or in_child(*a, **k))
    with Watcher(place.queue, place.library, place.settings):
        until(lambda: len(looks) >= 3)
        assert not place.queue.jobs()
        in_the_way.unlink()
        until(lambda: bool(place.queue.jobs()))
    assert place.queue.jobs()[0].source == str(clip)
    assert len([record for record in caplog.records if str(clip) in record.getMessage()]) == 1


@pytest.mark.slow(seconds=8)
def test_many_files_of_one_folder_keep_no_other_waiting_and_are_left_when_its_rule_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, looks, clock = Place(tmp_path), list[str](), [0.0]
    folders = {}
    for name, count in (("many", 40), ("one", 1)):
        (tmp_path / name).mkdir()
        clip = write_clip(tmp_path / name / "0.mp4", frames=2)
        for number in range(1, count):
            (tmp_path / name / f"{number}.mp4").write_bytes(clip.read_bytes())
        folders[name] = WatchFolder(folder=tmp_path / name, stable=1, smaller_than=(16, 16), options=FAST)

    def looked_into(_function: Any, path: str, **_more: Any) -> Any:
        looks.append(Path(path).parent.name)
        if len(looks) == 4:
            place.settings.change(QueueSettings(watch={"one": folders["one"]}))
        return {"video": {"width": 320, "height": 240}}

    monkeypatch.setattr("sr4k.queue.watch_folders.in_child", looked_into)
    monkeypatch.setattr(watch_folders, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    place.settings.change(QueueSettings(watch=folders))
    watcher = Watcher(place.queue, place.library, place.settings)
    with watcher:
        until(lambda: len(watcher._found) == 41)
        clock[0] = 100.0
        until(lambda: not watcher._found)
    assert len(looks) == 4
    assert "one" in looks[:2]


@pytest.mark.slow(seconds=6)
def test_a_folder_that_may_not_be_read_is_told_once_and_keeps_no_other_from_being_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place, closed, looks = Place(tmp_path), {tmp_path / "closed"}, list[Path]()
    for name in ("closed", "open"):
        (tmp_path / name).mkdir()
        write_clip(tmp_path / name / "clip.mp4", frames=2)
    folders = {name: WatchFolder(folder=tmp_path / name, stable=1, options=FAST) for name in ("closed", "open")}
    place.settings.change(QueueSettings(watch=folders))

    def may_be_read(folder: Path) -> bool:
        looks.append(folder)
        return folder not in closed

    monkeypatch.setattr(folder_changes, "_may_be_read", may_be_read)
    with Watcher(place.queue, place.library, place.settings):
        until(lambda: bool(place.queue.jobs()) and looks.count(tmp_path / "closed") > 3)
        assert [job.origin for job in place.queue.jobs()] == ["watch:open"]
        closed.clear()
        until(lambda: len(place.queue.jobs()) == 2)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"Watch folder closed: {tmp_path / 'closed'} may not be read: check its permissions."
    ]


@pytest.mark.slow(seconds=4)
@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), RuntimeError("no watch left")])
def test_folders_that_the_kernel_does_not_tell_of_are_looked_through(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_folders: Path, **_how: Any) -> Iterator[Any]:
        raise error
        yield

    monkeypatch.setattr("watchfiles.watch", refused)
    monkeypatch.setattr(folder_changes, "_THROUGH", 0.5)
    inbox = tmp_path / "inbox"
    (inbox / "below").mkdir(parents=True)
    place = Place(tmp_path)
    place.settings.change(QueueSettings(watch={"inbox": WatchFolder(folder=inbox, stable=1, options=FAST)}))
    with Watcher(place.queue, place.library, place.settings):
        until(lambda: "aren't told" in caplog.text)
        clip = write_clip(inbox / "below" / "late.mp4", frames=2)
        until(lambda: bool(place.queue.jobs()))
    assert place.queue.jobs()[0].source == str(clip)
    assert caplog.text.count("aren't told") == 1
