"""The videos of a job that is done are sent in ranges, to players that seek, and only those of the library."""

from pathlib import Path

import pytest
from clips import write_clip
from web_serving import ask, service_of

from sr4k.queue.queued_job import JobResult
from sr4k.queue.settling import settle
from sr4k.web.access import Access
from sr4k.web.app import make_app


def test_a_range_of_a_video_is_sent_and_nothing_outside_the_library(tmp_path: Path) -> None:
    service = service_of(tmp_path)
    app, queue = make_app(service, Access()), service.queue
    clip = write_clip(tmp_path / "videos" / "a.mp4", frames=4)
    result = clip.with_name("a 4K.mkv")
    result.write_bytes(b"0123456789")
    job = queue.add(clip, result)
    path = f"/api/v1/jobs/{job.id}/files/result"
    assert ask(app, "GET", path).status_code == 422  # it has none yet
    queue.begin(job.id)
    told = JobResult(output=str(result), frames=4, seconds=1, damaged=False, source_bytes=1, result_bytes=10)
    queue.finish(job.id, told)

    part = ask(app, "GET", path, headers={"Range": "bytes=3-6"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"3456", "bytes 3-6/10")
    assert part.headers["content-type"] == "video/matroska"
    assert part.headers["content-disposition"].startswith("inline")
    outside = ask(app, "GET", path, headers={"Range": "bytes=90-"})
    assert (outside.status_code, outside.headers["content-range"]) == (416, "bytes */10")
    assert (outside.headers["content-type"], outside.json()["status"]) == ("application/problem+json", 416)
    for none in ("pages=1-2", "bytes", "bytes=", "bytes=5-2", "bytes=a-b"):
        whole = ask(app, "GET", path, headers={"Range": none})
        assert (whole.status_code, whole.content) == (200, b"0123456789"), none
    kept = ask(app, "GET", f"{path}?download=true")
    assert kept.content == b"0123456789"
    assert kept.headers["content-disposition"].startswith("attachment")
    source = ask(app, "GET", f"/api/v1/jobs/{job.id}/files/source")
    assert (source.content, source.headers["content-type"]) == (clip.read_bytes(), "video/mp4")

    secret = tmp_path / "secret.mkv"
    secret.write_bytes(b"secret")
    result.unlink()
    assert ask(app, "GET", path).status_code == 404
    result.symlink_to(secret)
    refused = ask(app, "GET", path)
    assert refused.status_code == 422 and b"isn't in a library" in refused.content


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_of_a_job_whose_result_has_replaced_its_source_the_original_is_sent_while_it_is_in_the_bin(
    tmp_path: Path, suffix: str
) -> None:
    service = service_of(tmp_path)
    app, queue = make_app(service, Access()), service.queue
    source, result = service.library.roots[0] / "a.mkv", service.library.roots[0] / f"a 4K{suffix}"
    bin_ = service.library.bin_of(source)
    bin_.parent.mkdir()
    bin_.write_bytes(b"another original of that name")
    source.write_bytes(b"original")
    result.write_bytes(b"result")
    job = queue.begin(queue.add(source, result).id)
    sizes = {"source_bytes": len(b"original"), "result_bytes": len(b"result")}
    queue.finish(job.id, JobResult(output=str(result), frames=4, seconds=1, damaged=False, **sizes))
    settle(queue, service.library, job.id, "replace")

    files = f"/api/v1/jobs/{job.id}/files"
    assert ask(app, "GET", f"{files}/result").content == b"result"
    assert ask(app, "GET", f"{files}/source").content == b"original"
    Path(queue.get(job.id).source_now or "").unlink()
    gone = ask(app, "GET", f"{files}/source")
    assert gone.status_code == 404 and b"isn't there any more" in gone.content
