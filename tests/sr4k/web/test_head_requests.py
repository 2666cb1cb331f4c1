import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from web_serving import ask, service_of, serving

from sr4k.queue.queued_job import JobResult
from sr4k.web.access import Access
from sr4k.web.app import make_app
from sr4k.web.head_requests import HeadAsGet


@pytest.mark.slow
def test_head_is_answered_as_get_without_a_body_wherever_get_is(tmp_path: Path) -> None:
    service = service_of(tmp_path)
    app, queue = make_app(service, Access()), service.queue
    result = tmp_path / "videos" / "a 4K.mkv"
    result.write_bytes(b"0123456789")
    job = queue.begin(queue.add(tmp_path / "videos" / "a.mkv", result).id)
    told = JobResult(output=str(result), frames=4, seconds=1, damaged=False, source_bytes=1, result_bytes=10)
    queue.finish(job.id, told)
    file = f"/api/v1/jobs/{job.id}/files/result"
    with serving(app) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for path in ("/health", "/queue", "/api/v1/jobs", file, "/static/queue.js", "/", "/api/v1/nothing", "/login"):
            whole, head = client.get(path), client.head(path)
            assert (head.status_code, head.content) == (whole.status_code, b""), path
            assert {**head.headers, "date": ""} == {**whole.headers, "date": ""}, path
        part = client.head(file, headers={"Range": "bytes=3-6"})
        assert (part.status_code, part.headers["content-length"]) == (206, "4")
        events = client.head("/api/v1/events")  # which never end
        assert events.headers["content-type"].startswith("text/event-stream")
        service.ending.set()
    assert ask(app, "HEAD", f"/api/v1/jobs/{job.id}/pause").status_code == 405


def test_an_error_before_the_answer_is_an_error_for_head_as_well() -> None:
    async def broken(*_given: Any) -> None:
        raise ValueError("a bug")

    app = HeadAsGet(broken)
    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(app({"type": "http", "method": "HEAD"}, broken, broken))
