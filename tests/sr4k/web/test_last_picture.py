"""The last finished picture of a running job is shown beside its source's, and costs the job nothing."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import write_clip
from queues import until
from web_serving import ask, service_of

from sr4k.media.resume.job_folder import folder_of
from sr4k.queue.queue_runner import Runner
from sr4k.queue.queued_job import JobOptions
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
    clip = write_clip(tmp_path / "videos" / "a.mp4", frames=400, rate=1, size=(160, 96), audio=False)
    job = service.queue.add(clip, clip.with_name("a 4K.mp4"), JobOptions(engine="openvino", speed="slow"))
    app = make_app(service, Access())
    assert ask(app, "GET", f"/api/v1/jobs/{job.id}/last").status_code == 204
    with Runner(service.queue, service.library, service.settings):
        until(lambda: len(list(folder_of(Path(job.target)).glob("*.packets"))) >= 3)
        service.queue.pause(job.id)
        until(lambda: service.queue.get(job.id).state in ("paused", "done"))
    last = ask(app, "GET", f"/api/v1/jobs/{job.id}/last").json()
    assert last["at"] >= 60
    ours, theirs = (_picture(ask(app, "GET", last[which]).content) for which in ("result", "source"))
    assert ours.shape == theirs.shape == (192, 320, 3)
    assert np.abs(_coarse(ours) - _coarse(theirs)).mean() < 5
    assert ask(app, "GET", f"/api/v1/jobs/{job.id}/last").json() == last, "made again without need"
