"""What stands before the page and the interface: each request that is refused, and what leaves the service."""

import logging
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from web_serving import Runs, ask, desk_of, service_of, serving

from sr4k.live.address import parse_source, parse_target
from sr4k.service.channel_status import ChannelMonitor
from sr4k.service.redaction import Redaction
from sr4k.web.access import Access
from sr4k.web.app import make_app
from sr4k.web.guard import SECURITY_HEADERS, Attempts
from sr4k.web.pages import PAGES

OPERATE, VIEW = "operate-0123456789abcdef", "view-0123456789abcdef"
JOB = {"sources": ["/nowhere/a.mp4"]}


@pytest.fixture
def open_app(tmp_path: Path) -> FastAPI:
    """A service on loopback without tokens."""
    return make_app(service_of(tmp_path), Access())


@pytest.fixture
def closed_app(tmp_path: Path) -> FastAPI:
    """A service with a token for each role."""
    return make_app(service_of(tmp_path), Access(tokens={"operate": OPERATE, "view": VIEW}))


def bearer(token: str) -> dict[str, str]:
    """Headers with a token."""
    return {"Authorization": f"Bearer {token}"}


def test_every_response_has_the_headers_that_keep_other_pages_out(open_app: FastAPI, closed_app: FastAPI) -> None:
    paths = ["/queue", "/static/common.js", "/api/v1/jobs", "/nothing"]
    answers = [ask(app, "GET", path) for app in (open_app, closed_app) for path in paths]
    answers.append(ask(open_app, "GET", "/queue", host="evil.example"))
    for answer in answers:
        assert all(answer.headers[name] == value for name, value in SECURITY_HEADERS.items())
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]


def test_foreign_names_of_hosts_are_refused(open_app: FastAPI) -> None:
    assert ask(open_app, "GET", "/api/v1/jobs", host="evil.example").status_code == 421
    assert ask(open_app, "GET", "/api/v1/jobs", host="localhost:9").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://["},
        {"Origin": "http://[::1"},
        {"Origin": "http://evil.example@127.0.0.1:8484"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8484"},
    ],
)
def test_other_pages_can_change_nothing(open_app: FastAPI, headers: dict[str, str]) -> None:
    for path in ("/api/v1/queue/pause", "/login/end"):
        assert ask(open_app, "POST", path, headers=headers).status_code == 403
    assert not ask(open_app, "GET", "/api/v1/queue").json()["paused"]


def test_the_own_page_and_programs_can_change_things(open_app: FastAPI) -> None:
    own = {"Origin": "http://127.0.0.1:8484", "Sec-Fetch-Site": "same-origin"}
    assert ask(open_app, "POST", "/api/v1/queue/pause", headers=own).json()["paused"]
    assert not ask(open_app, "POST", "/api/v1/queue/resume").json()["paused"]


def test_parts_of_other_pages_see_nothing_but_links_lead_here(open_app: FastAPI) -> None:
    part = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    frame = {**link, "Sec-Fetch-Dest": "iframe"}
    assert [ask(open_app, "GET", "/queue", headers=each).status_code for each in (part, frame, link)] == [403, 403, 200]


def test_without_a_token_nothing_is_shown(closed_app: FastAPI) -> None:
    assert ask(closed_app, "GET", "/api/v1/jobs").status_code == 401
    assert ask(closed_app, "GET", "/api/v1/openapi.json").status_code == 401
    page = ask(closed_app, "GET", "/queue")
    assert (page.status_code, page.headers["location"]) == (303, "/login?to=/queue")
    wrong = ask(closed_app, "GET", "/api/v1/jobs", headers=bearer("wrong"))
    assert wrong.status_code == 401 and wrong.headers["content-type"] == "application/problem+json"


def test_programs_are_never_sent_to_a_page(closed_app: FastAPI) -> None:
    for method, path in (("GET", "/metrics"), ("HEAD", "/metrics"), ("GET", "/api"), ("POST", "/queue")):
        answer = ask(closed_app, method, path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path
    assert "sr4k_jobs" in ask(closed_app, "GET", "/metrics", headers=bearer(VIEW)).text


def test_probes_need_no_token_and_are_told_no_more_than_whether_all_is_ready(tmp_path: Path) -> None:
    down = service_of(tmp_path, channels=desk_of(Runs(ChannelMonitor("one", ["rtmp://out.example/app/***"]))))
    app = make_app(down, Access(tokens={"operate": OPERATE, "view": VIEW}))
    answer = ask(app, "GET", "/ready")
    assert (answer.status_code, answer.json()) == (503, {"ready": False})
    assert "one" in ask(app, "GET", "/ready", headers=bearer(VIEW)).json()["channels"]


def test_whoever_may_look_changes_nothing(closed_app: FastAPI) -> None:
    paths = closed_app.openapi()["paths"].items()
    changing = [(method.upper(), path) for path, methods in paths for method in methods if method != "get"]
    assert len(changing) > 8
    for method, path in changing:
        filled = path.replace("{number}", "1").replace("{action}", "pause").replace("{name}", "a")
        assert ask(closed_app, method, filled, headers=bearer(VIEW)).status_code == 403, path
    assert ask(closed_app, "GET", "/api/v1/jobs", headers=bearer(VIEW)).status_code == 200
    assert ask(closed_app, "POST", "/api/v1/jobs", headers=bearer(OPERATE), json=JOB).status_code == 422


def test_a_token_begins_a_session_whose_cookie_no_script_and_no_other_page_gets(closed_app: FastAPI) -> None:
    answer = ask(closed_app, "POST", "/login", data={"token": OPERATE, "to": "/queue"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and OPERATE not in cookie
    session = {"Cookie": cookie.partition(";")[0]}
    assert 'data-role="operate"' in ask(closed_app, "GET", "/queue", headers=session).text
    assert ask(closed_app, "POST", "/api/v1/queue/pause", headers=session).status_code == 200
    foreign = {**session, "Origin": "http://evil.example"}
    assert ask(closed_app, "POST", "/api/v1/queue/resume", headers=foreign).status_code == 403
    over = ask(closed_app, "POST", "/login/end", headers=session).headers["set-cookie"]
    assert "Max-Age=0" in over


@pytest.mark.slow(seconds=1)
def test_each_route_asks_for_the_host_the_origin_and_the_token(closed_app: FastAPI) -> None:
    paths = closed_app.openapi()["paths"].items()
    routes = [(method.upper(), path) for path, methods in paths for method in methods]
    routes += [("GET", path) for path in (*PAGES, "/", "/metrics", "/nothing")]
    assert len(routes) > 50
    for method, path in routes:
        filled = path.replace("{number:int}", "1").replace("{number}", "1").replace("{action}", "stop")
        filled = filled.replace("{name}", "a").replace("{end}", "in").replace("{file}", "playlist.m3u8")
        assert ask(closed_app, method, filled, host="evil.example", headers=bearer(OPERATE)).status_code == 421, path
        assert ask(closed_app, method, filled).status_code in (401, 303), path
        if method != "GET":
            foreign = {**bearer(OPERATE), "Origin": "http://evil.example"}
            assert ask(closed_app, method, filled, headers=foreign).status_code == 403, path
    for path, told in (("/health", {"ok": True}), ("/ready", {"ready": True})):  # all that is told without a token
        assert ask(closed_app, "GET", path).json() == told
        assert ask(closed_app, "GET", path, host="evil.example").status_code == 421


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_logging_in_leads_to_pages_of_the_service_alone(closed_app: FastAPI, to: str) -> None:
    assert ask(closed_app, "POST", "/login", data={"token": VIEW, "to": to}).headers["location"] == "/"


def test_tokens_can_be_tried_five_times_a_minute(closed_app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = [ask(closed_app, "POST", "/login", data={"token": f"wrong {number}"}).status_code for number in range(5)]
    blocked = ask(closed_app, "POST", "/login", data={"token": OPERATE})
    assert tried == [401] * 5 and blocked.status_code == 429 and 0 < int(blocked.headers["retry-after"]) <= 60
    assert ask(closed_app, "GET", "/api/v1/jobs", headers=bearer(OPERATE)).status_code == 429
    now = time.monotonic()
    monkeypatch.setattr("sr4k.web.guard.time.monotonic", lambda: now + 61)
    assert ask(closed_app, "POST", "/login", data={"token": OPERATE}).status_code == 303


def test_nobody_chooses_the_address_by_which_wrong_tokens_are_counted(closed_app: FastAPI) -> None:
    with serving(closed_app) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        answers = [
            client.get("/api/v1/jobs", headers={**bearer("wrong"), "X-Forwarded-For": f"10.0.0.{number}"}).status_code
            for number in range(6)
        ]
    assert answers == [401] * 5 + [429]


def test_all_addresses_together_can_try_fifty_times_a_minute() -> None:
    attempts = Attempts()
    for number in range(49):
        attempts.failed(f"10.0.0.{number}")
    assert attempts.wait("10.0.1.1") == 0
    attempts.failed("10.0.0.49")
    assert 0 < attempts.wait("10.0.1.1") <= 60


@pytest.mark.parametrize(("told", "is_secure"), [("https", True), ("http", False), ("gopher", False), (None, False)])
def test_a_proxy_tells_whether_the_browser_came_by_https(
    closed_app: FastAPI, told: str | None, is_secure: bool
) -> None:
    headers = {} if told is None else {"X-Forwarded-Proto": told}
    answer = ask(closed_app, "POST", "/login", data={"token": OPERATE}, headers=headers)
    assert ("Secure" in answer.headers["set-cookie"]) == is_secure
    redirected = ask(closed_app, "GET", "/queue/", headers={**headers, **bearer(OPERATE)})
    assert redirected.headers["location"].startswith("https://" if is_secure else "http://")


def test_a_number_of_thousands_of_digits_is_a_path_that_is_too_long(open_app: FastAPI) -> None:
    for path in ("/jobs/", "/api/v1/jobs/"):
        assert ask(open_app, "GET", path + "9" * 5000).status_code == 414
        assert ask(open_app, "GET", path + "9" * 1000).status_code in (404, 422)


def test_requests_are_small(open_app: FastAPI) -> None:
    assert ask(open_app, "POST", "/api/v1/jobs", content=b"x" * (2**20 + 1)).status_code == 413
    assert ask(open_app, "GET", "/queue", headers={"Content-Length": "1" * 5000}).status_code == 413

    async def chunks() -> Any:
        yield b"x"

    assert ask(open_app, "POST", "/api/v1/jobs", content=chunks()).status_code == 411


def test_nothing_outside_the_library_is_shown_or_read(open_app: FastAPI, tmp_path: Path) -> None:
    videos, outside = tmp_path / "videos", tmp_path / "secret.mp4"
    outside.write_bytes(b"x")
    (videos / "link.mp4").symlink_to(outside)
    (videos / "folder").symlink_to(tmp_path)
    assert ask(open_app, "GET", "/api/v1/library", params={"folder": str(videos)}).json()["entries"] == []
    for path in (
        outside,
        videos / "link.mp4",
        videos / ".." / "secret.mp4",
        videos / "folder" / "secret.mp4",
        "/etc/passwd",
    ):
        given = str(path)
        assert ask(open_app, "GET", "/api/v1/probe", params={"path": given}).status_code == 422
        assert ask(open_app, "POST", "/api/v1/jobs", json={"sources": [given]}).status_code == 422
        assert ask(open_app, "POST", "/api/v1/tries", json={"path": given, "models": ["luma"]}).status_code == 422
    assert ask(open_app, "GET", "/api/v1/library", params={"folder": "/etc"}).status_code == 422
    assert ask(open_app, "GET", "/static/../app.py").status_code == 404
    assert ask(open_app, "GET", "/static/%2e%2e/app.py").status_code == 404


def test_no_response_and_no_log_holds_a_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    key, password = "k3y-of-the-stream-9f8e7d", "pa55-of-the-source-1a2b3c"
    source, target = parse_source(f"rtsp://me:{password}@in.example/one"), parse_target(f"rtmp://out.example/app/{key}")
    monitor = ChannelMonitor("one", [str(target)])
    monitor.failed(f"can't send to rtmp://out.example/app/{key}, nor read {source.url}")
    service = service_of(tmp_path, channels=desk_of(Runs(monitor), Redaction(source, target)))
    app = make_app(service, Access(tokens={"operate": OPERATE, "view": VIEW}))
    caplog.set_level(logging.DEBUG)
    secrets = [key, password, OPERATE, VIEW]
    answers = [ask(app, "POST", "/login", data={"token": token}) for token in (OPERATE, "wrong" + OPERATE)]
    for path in (*PAGES, *(path for path, methods in app.openapi()["paths"].items() if "get" in methods)):
        filled = path.replace("{number}", "1").replace("{number:int}", "1").replace("{name}", "one")
        if not path.endswith("/events"):
            answers.append(ask(app, "GET", filled, headers=bearer(OPERATE)))
    assert any('"one"' in answer.text for answer in answers)
    text = "".join(answer.text + str(answer.headers) for answer in answers) + caplog.text
    assert not [secret for secret in secrets if secret in text]
