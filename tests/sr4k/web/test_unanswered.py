import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from sr4k.web import web_server
from sr4k.web.page_keeper import listening_on


@contextmanager
def ended_during(path: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Response]:
    """Yields the answer to a request during which the server is ended."""
    monkeypatch.setattr(web_server, "_GRACE", 0)
    app, ending, done = FastAPI(), threading.Event(), threading.Event()

    @app.post("/slow")
    def slow() -> None:
        ending.set()
        done.wait()

    @app.post("/parts")
    def parts() -> StreamingResponse:
        async def some() -> AsyncIterator[bytes]:
            yield b"begun"
            ending.set()
            await asyncio.Event().wait()

        return StreamingResponse(some())

    with listening_on("127.0.0.1:0") as listening:
        server = threading.Thread(target=web_server.serve_until, args=(app, listening, ending))
        server.start()
        try:
            with httpx.stream("POST", f"http://127.0.0.1:{listening.getsockname()[1]}{path}") as answer:
                yield answer
        finally:
            ending.set()
            done.set()
            server.join()


@pytest.mark.slow
def test_a_request_that_the_end_of_the_service_interrupts_is_told_so_and_logged_in_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ended_during("/slow", monkeypatch) as answer:
        found = httpx.Response(answer.status_code, content=answer.read()).json()
    assert (found["status"], found["code"]) == (503, 7)
    assert found["detail"].startswith("The service has ended before this was answered")
    assert [(each.getMessage(), each.exc_info) for each in caplog.records if each.name.startswith("uvicorn")] == [
        ("The page has ended before this many requests were answered: 1.", None)
    ]


@pytest.mark.slow
def test_an_answer_that_the_end_of_the_service_cuts_off_is_no_bug_either(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ended_during("/parts", monkeypatch) as answer, pytest.raises(httpx.RemoteProtocolError):
        answer.read()
    assert [each.exc_info for each in caplog.records if each.name.startswith("uvicorn")] == [None]
