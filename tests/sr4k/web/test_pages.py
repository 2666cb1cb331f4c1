"""The pages as files: nothing is loaded from elsewhere, and nothing is in line."""

import re
from pathlib import Path

import pytest
from clips import write_clip
from web_serving import Runs, ask, desk_of, service_of

from sr4k.service.channel_status import ChannelMonitor
from sr4k.web.access import Access
from sr4k.web.app import HERE, make_app

FILES = [file for folder in ("static", "templates") for file in (HERE / folder).iterdir() if file.is_file()]
"""Those of our own: what is of others lies in a folder of its own; see test_vendored.py."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_names_another_host_or_has_scripts_and_styles_in_line(file: Path) -> None:
    text = file.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"(https?:)?//[a-z0-9-]+\.[a-z]", text)
    if file.suffix == ".html":
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


def test_every_script_that_a_page_names_is_there() -> None:
    names = {
        name for file in FILES for name in re.findall(r'(?:/static/|from "\./)([a-z_]+\.[a-z]+)', file.read_text())
    }
    assert len(names) > 8 and all((HERE / "static" / name).exists() for name in names)


def test_files_of_others_lie_in_their_own_folder_where_each_has_a_licence_and_a_hash() -> None:
    assert {file.suffix for file in FILES} == {".css", ".html", ".js", ".svg"}
    assert not [file.name for file in FILES if ".min." in file.name or file.stat().st_size > 20_000]


@pytest.mark.slow(seconds=4)
def test_a_picture_is_made_larger_by_a_network_and_plainly(tmp_path: Path) -> None:
    service = service_of(tmp_path)
    clip = write_clip(tmp_path / "videos" / "a.mp4", frames=10)
    app = make_app(service, Access())
    made = ask(app, "POST", "/api/v1/tries", json={"path": str(clip), "at": 0.2, "models": ["luma"]}).json()
    assert (made["width"], made["height"], made["source_width"]) == (128, 96, 64)
    files = {name: ask(app, "GET", path) for name, path in made["pictures"].items()}
    assert all(file.headers["content-type"] == "image/jpeg" for file in files.values())
    assert files["luma"].content != files["lanczos"].content
    late = ask(app, "POST", "/api/v1/tries", json={"path": str(clip), "at": 1e4, "models": ["luma"]})
    assert late.status_code == 422 and late.headers["content-type"] == "application/problem+json"
    unknown = ask(app, "POST", "/api/v1/tries", json={"path": str(clip), "models": ["none"]})
    assert unknown.status_code == 422
    assert ask(app, "GET", "/api/v1/tries/0123456789abcdef/luma.jpg").status_code == 404


def test_a_network_without_weights_is_neither_listed_nor_taken(tmp_path: Path) -> None:
    app = make_app(service_of(tmp_path), Access())
    clip = write_clip(tmp_path / "videos" / "a.mp4", frames=1)
    names = [model["name"] for model in ask(app, "GET", "/api/v1/models").json()]
    assert "luma" in names and "rcan-full" not in names
    wanted = {"sources": [str(clip)], "options": {"model": "rcan-full-x4"}}
    refused = ask(app, "POST", "/api/v1/jobs", json=wanted)
    assert refused.status_code == 422 and "No weights of rcan-full-x4" in refused.json()["detail"]


def test_networks_that_ship_are_listed_where_the_users_can_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SR4K_MODELS", "/dev/null")
    app = make_app(service_of(tmp_path), Access())
    assert "luma" in [model["name"] for model in ask(app, "GET", "/api/v1/models").json()]


def test_the_page_of_a_job_or_channel_that_is_not_there_says_so(tmp_path: Path) -> None:
    service = service_of(tmp_path, channels=desk_of(Runs(ChannelMonitor("studio"))))
    job = service.queue.add(tmp_path / "a.mp4", tmp_path / "b.mp4")
    app = make_app(service, Access())
    for path in (f"/jobs/{job.id}", "/channels/studio"):
        assert ask(app, "GET", path).status_code == 200
    for path, words in (
        ("/jobs/999", "no job 999"),
        (f"/jobs/{10**30}", "no job 1"),
        ("/channels/<b>", "&lt;b&gt;"),
    ):
        answer = ask(app, "GET", path)
        assert (answer.status_code, words in answer.text) == (404, True)
    for path in ("/job/1", "/queues", "/static/nothing.js"):
        typed = ask(app, "GET", path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert (typed.status_code, "<h1>Not there</h1>" in typed.text) == (404, True)
        assert f"There is nothing at {path} here." in typed.text
        assert ask(app, "GET", path).json()["status"] == 404
    assert ask(app, "GET", "/api/v1/job/1", headers={"Accept": "text/html"}).json()["status"] == 404
