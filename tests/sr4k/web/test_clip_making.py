"""Ten seconds to try: one try at a time is made, each may be stopped, and what fails says why."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from clips import write_clip
from queues import until
from web_serving import ask, service_of

from sr4k.errors import StoppedError
from sr4k.queue import errand
from sr4k.web import clip_making
from sr4k.web.access import Access
from sr4k.web.app import make_app
from sr4k.web.clip_making import ClipMaking


@pytest.mark.slow(seconds=7)
def test_a_new_try_takes_the_place_of_the_one_that_is_being_made_and_both_clips_have_the_same_pictures(
    tmp_path: Path,
) -> None:
    app = make_app(service_of(tmp_path), Access())
    clip = write_clip(tmp_path / "videos" / "a.mp4", frames=60, pix_fmt="yuv422p10le")
    broken = tmp_path / "videos" / "broken.mp4"
    broken.write_bytes(b"no video" * 100)

    def begin(path: Path, at: float) -> str:
        answer = ask(app, "POST", "/api/v1/clips", json={"path": str(path), "at": at, "models": ["luma"]})
        assert answer.status_code == 202
        number: str = answer.json()["number"]
        return number

    def told(number: str) -> Any:
        return ask(app, "GET", f"/api/v1/clips/{number}").json()

    first, second = begin(clip, 0), begin(clip, 1)
    until(lambda: told(second)["state"] != "making")
    assert (told(first)["state"], told(first)["error"]) == ("failed", "Another try has taken its place.")
    made = told(second)
    assert (made["state"], made["width"], made["source_width"]) == ("made", 128, 64)
    times = []
    for name, path in made["clips"].items():
        file = tmp_path / f"{name}.mp4"
        file.write_bytes(ask(app, "GET", path).content)
        with av.open(str(file)) as container:
            (video,) = container.streams
            assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
            times.append([round(float(frame.time or 0), 3) for frame in container.decode(video=0)])
    assert times[0] == times[1]
    assert len(times[0]) == 35

    wrong = begin(broken, 0)
    until(lambda: told(wrong)["state"] != "making")
    assert "broken.mp4" in told(wrong)["error"]
    third = begin(clip, 0)
    assert ask(app, "DELETE", f"/api/v1/clips/{third}").status_code == 204
    assert ask(app, "GET", f"/api/v1/clips/{third}").status_code == 404
    assert ask(app, "POST", "/api/v1/clips", json={"path": "/etc/passwd", "models": ["luma"]}).status_code == 422


def test_what_is_given_up_leaves_no_file_and_where_no_process_can_be_started_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    making, has_begun = ClipMaking(tmp_path), threading.Event()

    def written_late(_function: Any, folder: str, *, is_over: Callable[[], bool], **_more: Any) -> None:
        has_begun.set()
        until(is_over)
        Path(folder).mkdir(exist_ok=True)  # whether it is there still or not
        (Path(folder) / "late.mp4").write_bytes(b"late")
        raise StoppedError("Nobody waits for it any more.")

    def refused(*_args: Any, **_more: Any) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(clip_making, "in_telling_child", written_late)
    given_up = making.begin(["luma"], written_late)
    assert has_begun.wait(60)
    making.give_up(given_up)
    until(lambda: not making._making.locked())
    assert not list(tmp_path.iterdir())

    monkeypatch.undo()
    monkeypatch.setattr(errand, "start_process", refused)
    clips = making.get(making.begin(["luma"], refused))
    assert clips is not None
    until(lambda: clips.state != "making")
    assert clips.error is not None and "no more processes" in clips.error
