"""What a page may do with live channels, and what of their files it gets."""

import logging
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from toy_statuses import statuses
from web_serving import Runs, ask, desk_of, service_of

from sr4k.service.channel_status import ChannelMonitor
from sr4k.web.access import Access
from sr4k.web.app import make_app

pytestmark = pytest.mark.slow

BASE = "/api/v1/channels/one"


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """A channel whose second target is a playlist."""
    made = Runs(ChannelMonitor("one", ["rtmp://out.example/app/***", str(tmp_path / "hls" / "one.m3u8")]))
    made.playlists = {1: tmp_path / "hls" / "one.m3u8"}
    made.monitors[0].update(statuses({"rungs": ("all", "half", "none")}))
    return made


@pytest.fixture
def app(runs: Runs, tmp_path: Path) -> FastAPI:
    return make_app(service_of(tmp_path, channels=desk_of(runs)), Access())


def test_slate_targets_and_rung_are_wishes_that_are_kept_until_they_are_undone(app: FastAPI, runs: Runs) -> None:
    assert ask(app, "PUT", f"{BASE}/slate", json={"shown": True}).json()["wishes"]["slate"]
    assert ask(app, "PUT", f"{BASE}/targets/2", json={"on": False}).json()["wishes"]["off"] == [2]
    assert ask(app, "PUT", f"{BASE}/rung", json={"rung": 2}).json()["wishes"]["rung"] == 2
    wishes = runs.steerings["one"].wishes
    assert (wishes.slate, wishes.off, wishes.rung) == (True, {2}, 2)
    for path, body in (("slate", {"shown": False}), ("targets/2", {"on": True}), ("rung", {"rung": None})):
        assert ask(app, "PUT", f"{BASE}/{path}", json=body).status_code == 200
    assert runs.steerings["one"].wishes == type(wishes)()


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("targets/3", {"on": False}, 422, "has no target 3: it has 2"),
        ("rung", {"rung": 3}, 422, "has no rung 3 now: it has 3, from 0"),
        ("rung", {"rung": -1}, 422, "rung must be at least 0"),
        ("rung", {"rung": True}, 422, "rung must be a whole number"),
        ("targets/2", {"on": 0}, 422, "on must be true or false"),
        ("slate", {"shown": "yes"}, 422, "shown must be true or false"),
        ("slate", {}, 422, "shown is missing"),
        ("../two/slate", {"shown": True}, 404, "There is no channel two"),
    ],
)
def test_what_there_is_not_is_told_in_words(app: FastAPI, path: str, body: object, status: int, words: str) -> None:
    answer = ask(app, "PUT", f"{BASE}/{path}", json=body)
    assert answer.status_code == status and words in answer.json()["detail"]


def test_what_an_operator_did_is_in_the_log_of_the_channel(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sr4k"):
        for action in ("stop", "start", "restart"):
            assert ask(app, "POST", f"{BASE}/{action}").status_code == 202
    assert caplog.messages == [f"{done} by an operator" for done in ("stopped", "started", "restarted")]
    assert {vars(record)["event"] for record in caplog.records} == {"operator"}


def test_pictures_are_made_while_somebody_asks(app: FastAPI, runs: Runs) -> None:
    steering = runs.steerings["one"]
    assert not steering.is_watched
    assert ask(app, "GET", f"{BASE}/pictures/in.jpg").status_code == 204
    assert steering.is_watched
    steering.show("in", b"a picture")
    found = ask(app, "GET", f"{BASE}/pictures/in.jpg")
    assert (found.status_code, found.content, found.headers["content-type"]) == (200, b"a picture", "image/jpeg")
    assert ask(app, "GET", f"{BASE}/pictures/other.jpg").status_code == 422


def test_of_the_folder_of_a_playlist_only_its_segments_are_sent(app: FastAPI, tmp_path: Path) -> None:
    folder = tmp_path / "hls"
    folder.mkdir()
    names = "one.m3u8", "one-1795000001.ts", "one-init-1795000001.mp4", "private.mp4", ".one-1795000002.ts"
    for name in names:
        (folder / name).write_text(name)
    (tmp_path / "one-1795000003.ts").write_text("outside")
    (folder / "one-1795000004.ts").symlink_to("/etc/passwd")
    found = {name: ask(app, "GET", f"{BASE}/targets/2/{name}") for name in ("playlist.m3u8", *names[1:3])}
    assert [answer.text for answer in found.values()] == list(names[:3])
    assert found["playlist.m3u8"].headers["content-type"] == "application/vnd.apple.mpegurl"
    for name in (*names[3:], "one-1795000004.ts", "../one-1795000003.ts", quote("../one-1795000003.ts", safe="")):
        assert ask(app, "GET", f"{BASE}/targets/2/{name}").status_code in (404, 405, 422), name
    assert ask(app, "GET", f"{BASE}/targets/1/playlist.m3u8").status_code == 422


def test_a_stopped_channel_keeps_its_place_and_its_addresses(app: FastAPI, runs: Runs) -> None:
    ask(app, "POST", f"{BASE}/stop")
    runs.ends, ends = lambda _name: ends, runs.ends("one")  # type: ignore[method-assign]
    runs.monitors.clear()
    (channel,) = ask(app, "GET", "/api/v1/channels").json()
    assert (channel["halted"], channel["phase"], channel["ready"]) == (True, "stopped", False)
    assert [each["state"] for each in (channel["in"], *channel["out"])] == ["stopped"] * 3
    assert channel["out"][0]["target"] == "rtmp://out.example/app/***" and channel["out"][1]["playlist"]
