"""Whatever a program sends, the answer is an error in plain words, and nothing is done."""

import asyncio
import json
import os
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from clips import write_clip
from fastapi import FastAPI
from web_serving import ask, service_of

from sr4k.queue.queued_job import JobOptions, JobResult
from sr4k.web.access import Access
from sr4k.web.app import make_app
from sr4k.web.errands import AT_ONCE
from sr4k.web.web_service import WebService

BODIES = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "text": b'"x"',
    "a number": b"17",
    "no end": b"{",
    "no UTF-8": b'{"a": "\xff\xfe"}',
    "half a character as a key": b'{"\\ud800": 1}',
    "half a character": b'{"a": "\xed\xa0\x80"}',
    "too deep": b"[" * 100_000,
    "too many digits": b'{"a": 1' + b"0" * 5000 + b"}",
    "no number": b'{"at": NaN, "priority": NaN, "at_once": Infinity, "rung": -Infinity}',
}


@pytest.fixture
def service(tmp_path: Path) -> WebService:
    return service_of(tmp_path)


@pytest.fixture
def app(service: WebService) -> FastAPI:
    return make_app(service, Access())


def refusal(app: FastAPI, method: str, path: str, **more: Any) -> str:
    """Send what has to be refused, and return in which words it is."""
    answer = ask(app, method, path, **more)
    found = answer.json()
    assert (answer.status_code, found["code"] > 0) == (422, True), found
    return is_problem(answer)


def is_problem(answer: httpx.Response) -> str:
    """Check that an answer is an error in plain words, and return them."""
    found = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (found["status"], found["type"]) == (answer.status_code, "about:blank")
    assert isinstance(found["code"], int) and re.fullmatch(r".+[.?]", found["detail"]), found
    return str(found["detail"])


@pytest.mark.slow(seconds=2)
def test_a_body_that_is_no_json_object_is_refused_by_each_route_that_takes_one(
    app: FastAPI, service: WebService, tmp_path: Path
) -> None:
    service.queue.add(tmp_path / "videos" / "a.mp4", tmp_path / "videos" / "b.mp4")
    routes = [
        (method, re.sub(r"\{\w+\}", "1", path))
        for path, methods in app.openapi()["paths"].items()
        for method, about in methods.items()
        if "requestBody" in about
    ]
    assert len(routes) > 12

    async def sent() -> None:
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 40_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8484") as client:
            for method, path in routes:
                for body in BODIES.values():
                    for kind in ("application/json", "text/plain"):
                        headers = {"Content-Type": kind}
                        answer = await client.request(method, path, content=body, headers=headers)
                        assert answer.status_code == 422, (method, path, body[:50], answer.text)
                        is_problem(answer)

    asyncio.run(sent())
    assert refusal(app, "POST", "/api/v1/jobs", content=b"").startswith("The request must have a JSON object")
    told = refusal(app, "POST", "/api/v1/jobs", content=b"{", headers={"Content-Type": "application/json"})
    assert told.startswith("The request is no JSON: ")


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "/jobs", {"options": {"weights": "x"}}, "options.weights: there is no such key."),
        ("POST", "/jobs", {"priority": True}, "priority must be a whole number."),
        ("POST", "/jobs", {"recursive": 1}, "recursive must be true or false."),
        ("POST", "/jobs", {"options": {"crf": True}}, "options.crf must be a whole number."),
        ("POST", "/jobs", {"options": {"size": "\ud800"}}, "half of a character"),
        ("POST", "/jobs", {"options": {"\udfff": 1}}, "half of a character"),
        ("POST", "/jobs", {"sources": ["/\ud83d"]}, "half of a character"),
        ("PATCH", "/jobs/1", {"priority": "7"}, "priority must be a whole number."),
        ("PUT", "/settings", {"at_once": True}, "at_once must be a whole number."),
        ("PUT", "/settings", {"hours": "07:00-07:00"}, "hours must end at another time than they begin"),
        ("PUT", "/settings", {"watch": {"\ud800": {"folder": "/"}}}, "half of a character"),
        ("PUT", "/settings", {"watch": {"a": {"folder": "/", "names": ["\ud800"]}}}, "half of a character"),
    ],
)
def test_values_of_other_kinds_are_refused_in_a_sentence(
    app: FastAPI, method: str, path: str, body: dict[str, Any], words: str
) -> None:
    given = {"sources": ["/nowhere"], **body} if path == "/jobs" else body
    content, kind = json.dumps(given), {"Content-Type": "application/json"}
    assert words in refusal(app, method, f"/api/v1{path}", content=content, headers=kind)


def test_errors_before_and_beside_the_interface_have_a_code_too(tmp_path: Path) -> None:
    tokens: Any = {"operate": "operate-0123456789abcdef", "view": "view-0123456789abcdef"}
    app = make_app(service_of(tmp_path), Access(tokens=tokens))
    view, operate = ({"Authorization": f"Bearer {tokens[role]}"} for role in ("view", "operate"))
    large = {**operate, "Content-Length": str(2**21)}
    wanted: list[tuple[int, str, str, dict[str, Any]]] = [
        (401, "GET", "jobs", {}),
        (403, "POST", "jobs", {"headers": view}),
        (404, "GET", "nothing", {"headers": view}),
        (404, "GET", "tries/0123456789abcdef/a.jpg", {"headers": view}),
        (405, "PUT", "jobs", {"headers": operate}),
        (413, "POST", "jobs", {"headers": large}),
        (421, "GET", "jobs", {"headers": view, "host": "evil.example"}),
    ]
    for status, method, path, more in wanted:
        answer = ask(app, method, f"/api/v1/{path}", **more)
        assert answer.status_code == status
        is_problem(answer)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/v1/jobs", "GET, HEAD, POST"),
        ("PUT", "/api/v1/jobs", "GET, HEAD, POST"),
        ("PUT", "/api/v1/jobs/2", "DELETE, GET, HEAD, PATCH"),
        ("DELETE", "/api/v1/settings", "GET, HEAD, PUT"),
        ("PATCH", "/login", "GET, HEAD, POST"),
        ("POST", "/api/v1/totals", "GET, HEAD"),
        ("GET", "/api/v1/jobs/2/pause", "POST"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_answered_with_all_that_it_has(
    app: FastAPI, method: str, path: str, allowed: str
) -> None:
    answer = ask(app, method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["detail"] == f"{method} is not for {path}: use {allowed}."


def test_jobs_that_can_not_work_are_refused_at_once_in_the_words_of_the_command(
    app: FastAPI, service: WebService, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    clip = write_clip(videos / "a.mp4", frames=2, audio=False)
    os.mkfifo(videos / "pipe.mp4")
    wanted: list[tuple[str, str | None, str]] = [
        ("a.mp4", "a.mp4", "is the source itself"),
        ("a.mp4", "b.exe", "'.exe' isn't a container that can be written"),
        ("a.mp4", "b.m3u8", "'.m3u8' isn't a container that can be written"),
        ("a.mp4", "b", "has no suffix"),
        ("a.mp4", "pipe.mp4", "but a pipe or a device"),
        ("a.mp4", "o%05d.png", "would be many files"),
        ("a.mp4", ".sr4k-bin/b.mp4", "is in the bin"),
        ("pipe.mp4", None, "is a named pipe"),
        ("no%05d.png", "b.mp4", "does not exist"),
        (f"{'n' * 300}.mp4", None, "too long"),
        ("a.mp4", f"{'n' * 300}.mp4", "too long"),
        ("a.mp4\0", None, "isn't in a library"),
    ]
    for source, target, words in wanted:
        given = {"sources": [f"{videos}/{source}"]} | ({} if target is None else {"target": f"{videos}/{target}"})
        assert words in refusal(app, "POST", "/api/v1/jobs", json=given)
    (videos / "b.mp4").touch()
    taken = ask(app, "POST", "/api/v1/jobs", json={"sources": [str(clip)], "target": f"{videos}/b.mp4"})
    assert (taken.status_code, is_problem(taken)[-46:]) == (409, " exists: choose another name, or move it away.")
    watch = {"folder": str(videos), "output": "{stem}.exe"}
    assert "'.exe' isn't a container" in refusal(app, "PUT", "/api/v1/settings", json={"watch": {"a": watch}})
    (videos / "broken.mp4").write_bytes(b"no video.")
    (videos / "empty.mkv").touch()
    for name in ("broken.mp4", "empty.mkv"):
        assert name in refusal(app, "POST", "/api/v1/jobs", json={"sources": [str(clip), f"{videos}/{name}"]})
    assert service.queue.jobs() == []

    service.queue.add(videos / "c.mp4", videos / "a 4K.mp4", JobOptions())  # whose target the second would have
    (videos / "b.mp4").unlink()
    write_clip(videos / "b.mkv", frames=2, audio=False)
    both = [str(videos / "b.mkv"), str(clip)]
    assert "is the target of job 1 already" in refusal(app, "POST", "/api/v1/jobs", json={"sources": both})
    assert len(service.queue.jobs()) == 1, "half of what was asked for was added"


@pytest.mark.slow(seconds=1)
def test_requests_that_take_long_leave_threads_to_answer_the_others(
    app: FastAPI, service: WebService, tmp_path: Path
) -> None:
    path = str(write_clip(tmp_path / "videos" / "a.mp4", frames=2, audio=False))
    with ExitStack() as others:
        for _ in range(AT_ONCE):
            others.enter_context(service.errands.one())
        wanted: list[tuple[str, str, dict[str, Any]]] = [
            ("GET", "probe", {"params": {"path": path}}),
            ("POST", "forecast", {"json": {"sources": [path]}}),
            ("POST", "tries", {"json": {"path": path, "models": ["luma"]}}),
        ]
        for method, route, more in wanted:
            answer = ask(app, method, f"/api/v1/{route}", **more)
            assert (answer.status_code, "try again" in is_problem(answer)) == (503, True)
    assert ask(app, "GET", "/api/v1/probe", params={"path": path}).status_code == 200


def test_what_can_not_be_used_in_a_folder_is_left_out_with_a_word_and_the_rest_is_used(
    app: FastAPI, service: WebService, tmp_path: Path
) -> None:
    videos, outside = tmp_path / "videos", tmp_path / "outside.mp4"
    odd = "<script>'\"\n🎬.mkv"
    for name in ("a.mp4", odd, "twice.mkv"):
        write_clip(videos / name, frames=2, audio=False)
    (videos / "twice.avi").write_bytes((videos / "a.mp4").read_bytes())
    outside.touch()
    (videos / "out.mp4").symlink_to(outside)
    (videos / "loop.mp4").symlink_to(videos / "loop.mp4")
    (videos / "gone.mp4").symlink_to(videos / "nothing.mp4")
    os.mkfifo(videos / "pipe.mp4")
    (videos / os.fsdecode(b"b\xe4r.mp4")).touch()
    (videos / os.fsdecode(b"\xff")).mkdir()

    found = ask(app, "GET", "/api/v1/library", params={"folder": str(videos)}).json()
    assert [entry["name"] for entry in found["entries"]] == [odd, "a.mp4", "twice.avi", "twice.mkv"]
    notes = "\n".join(found["notes"])
    assert all(name in notes for name in (r"b\udce4r.mp4", r"\udcff", "out.mp4", "loop.mp4", "gone.mp4"))
    given = {"sources": [str(videos), str(videos / "a.mp4")], "recursive": True}
    added = ask(app, "POST", "/api/v1/jobs", json=given).json()
    assert [Path(job["source"]).name for job in added] == [odd, "a.mp4", "twice.avi", "twice.mkv"]
    assert [Path(job["target"]).name for job in added[2:]] == ["twice.avi 4K.mkv", "twice 4K.mkv"]
    job = service.queue.begin(added[1]["id"])
    (videos / "more").mkdir()
    for name in ("made.mp4", "new.mp4"):
        (videos / "more" / name).write_bytes((videos / "a.mp4").read_bytes())
    made = {"frames": 2, "seconds": 1.0, "damaged": False, "source_bytes": 1, "result_bytes": 1}
    service.queue.finish(job.id, JobResult(output=str(videos / "more/made.mp4"), **made))
    more = ask(app, "POST", "/api/v1/jobs", json={"sources": [str(videos / "more")]}).json()
    assert [Path(job["source"]).name for job in more] == ["new.mp4"]
    for name in ("out.mp4", "loop.mp4", "gone.mp4"):
        refusal(app, "POST", "/api/v1/jobs", json={"sources": [str(videos / name)]})
