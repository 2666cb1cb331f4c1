"""The last finished picture of a running job is shown beside its source's, and costs the job nothing."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import write_clip
from web_serving import ask, service_of

from sr4k import Job
from sr4k.errors import StoppedError
from sr4k.media.resume.job_folder import folder_of
from sr4k.media.resume.journal import Journal
from sr4k.web.access import Access
from sr4k.web.app import make_app


def _picture(content: bytes) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).astype(np.float64)


def _coarse(
    picture: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    return cv2.resize(picture, (10, 6), interpolation=cv2.INTER_AREA)


@pytest.mark.slow(seconds=6)
def test_the_last_finished_picture_of_a_running_job_is_that_of_its_source_at_the_same_time(tmp_path: Path) -> None:
    service = service_of(tmp_path)
    clip = write_clip(tmp_path / "videos" / "a.mp4", frames=600, rate=1, size=(160, 96), audio=False)
    target = clip.with_name("a 4K.mp4")
    job = service.queue.begin(service.queue.add(clip, target).id)
    app, journal = make_app(service, Access()), Journal(folder_of(target))
    assert ask(app, "GET", f"/api/v1/jobs/{job.id}/last").status_code == 204
    with pytest.raises(StoppedError):  # after two segments of a minute
        Job(clip, target, speed="slow").run(stop_requests=lambda: 2 if len(journal.segments()) >= 2 else 0)
    last = ask(app, "GET", f"/api/v1/jobs/{job.id}/last").json()
    assert last["at"] >= 60
    ours, theirs = (_picture(ask(app, "GET", last[which]).content) for which in ("result", "source"))
    assert ours.shape == theirs.shape == (192, 320, 3)
    assert np.abs(_coarse(ours) - _coarse(theirs)).mean() < 5
    statements = list[str]()
    service.queue._base.set_trace_callback(statements.append)
    assert ask(app, "GET", f"/api/v1/jobs/{job.id}/last").json() == last, "made again without need"
    assert len(statements) == 1, "more is read than the job"
    service.queue._base.set_trace_callback(None)
    service.queue.fail(job.id, "It was only an example.", 1)
    assert ask(app, "GET", f"/api/v1/jobs/{job.id}/last").status_code == 204
    assert ask(app, "GET", last["result"]).status_code == 404
