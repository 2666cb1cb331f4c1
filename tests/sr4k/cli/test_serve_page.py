"""``sr4k serve`` with a page: from the command to a finished file, over a kill, and without a secret anywhere."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
from clips import video_times, write_clip
from queues import until

from rig.processes import below, children_of, command_of, is_alive
from sr4k.cli import page as page_module
from sr4k.cli.cluster_options import ClusterOptions
from sr4k.errors import OptionError
from sr4k.service.redaction import Redaction

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
TOKEN = "a token that nobody guesses"
VIEW = "a token to look only"
KEYS = {"IN_KEY": "sourcekey77", "SR4K_TOKEN": TOKEN, "SR4K_VIEW_TOKEN": VIEW}
TYPED = "typedkey88"


class Page:
    """A service with a library, a queue and one live channel, which is started again after a kill."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.library = folder, folder / "library"
        self.library.mkdir()
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        (folder / "channels.yaml").write_text(f"""
channels:
  one:
    source: rtmp://127.0.0.1:9/live/${{IN_KEY}}
    targets: [{folder}/one.mkv, "rtmp://127.0.0.1:9/app/typedkey88"]
    options: {{engine: {{name: nearest}}}}
  plays:
    source: pattern://96x64@25
    targets: [{folder}/plays.mkv]
    options: {{engine: {{name: nearest}}}}
""")
        self.start()

    def start(self) -> None:
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(BIN / "sr4k", "serve", self.folder / "channels.yaml", "--listen", "127.0.0.1:0"),
                    *("--library", self.library, "--state", self.folder / "state", "--verbose"),
                ],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, **KEYS, "TMPDIR": str(self.temporary), "TZ": "Europe/Atlantis"},
                start_new_session=True,
            )
        until(lambda: "The page is at" in self.log, lambda: self.log)
        found = re.search(r"http://127.0.0.1:(\d+)/", self.log)
        assert found is not None
        self.port = int(found[1])

    def ask(self, method: str, path: str, body: Any = None, token: str | None = TOKEN) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, headers | ({"Content-Type": "application/json"} if data else {}))
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def json(self, path: str) -> Any:
        status, text = self.ask("GET", path)
        assert status == 200, text
        return json.loads(text)

    def child(self, name: str) -> int:
        """Process id of a process that the service has started."""
        (child,) = [pid for pid in children_of(self.process.pid) if name in command_of(pid)]
        return child

    @property
    def page(self) -> int:
        """Process id of the page."""
        return self.child("sr4k-page")

    def family(self) -> list[int]:
        """Process ids of the service and of all below it."""
        return [self.process.pid, *below(self.process.pid)]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = Page(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()


@pytest.mark.slow(seconds=18)
def test_a_page_that_is_killed_comes_back_on_its_port_and_neither_job_nor_channel_nor_session_notices(
    page: Page,
) -> None:
    clip = write_clip(page.library / "a.mp4", frames=90, rate=1, size=(320, 180), audio=False)
    until(lambda: page.json("/api/v1/channels/plays")["ready"])
    login = httpx.post(f"http://127.0.0.1:{page.port}/login", data={"token": TOKEN})
    watched = {"library": {"folder": str(page.library), "names": ["none"]}}
    assert page.ask("PUT", "/api/v1/settings", {"watch": watched})[0] == 200
    page.ask("POST", "/api/v1/jobs", {"sources": [str(clip)], "options": {"engine": "nearest", "speed": "slow"}})
    until(lambda: page.json("/api/v1/jobs/1")["state"] == "running")
    before, began = page.page, page.json("/api/v1/channels/plays")["began"]
    os.kill(before, signal.SIGKILL)
    until(lambda: "The page's process was killed by SIGKILL; starting again" in page.log)

    assert page.json("/api/v1/jobs/1")["state"] in ("running", "done")  # the connection waited for the new one
    assert page.page != before
    cookies = {"sr4k_session": login.cookies["sr4k_session"]}
    assert httpx.get(f"http://127.0.0.1:{page.port}/queue", cookies=cookies).status_code == 200
    channel = page.json("/api/v1/channels/plays")
    assert (channel["ready"], channel["restarts"], channel["began"]) == (True, 0, began)
    changes_the_file(page)
    until(lambda: page.json("/api/v1/jobs/1")["state"] == "done")
    assert page.json("/api/v1/jobs/1")["runs"] == 1
    assert " detected" not in page.log  # each change in a folder that is watched would be told

    until(lambda: len(page.family()) > 8)  # the page, and of each channel two workers, a puller or a target
    family = page.family()
    page.process.kill()
    page.process.wait()
    until(lambda: not [pid for pid in family if is_alive(pid)])


@pytest.mark.slow(seconds=12)
def test_a_second_signal_ends_jobs_channels_and_page_at_once_even_where_they_hang(page: Page) -> None:
    clip = write_clip(page.library / "a.mp4", frames=90, rate=1, size=(320, 180), audio=False)
    page.ask("POST", "/api/v1/jobs", {"sources": [str(clip)], "options": {"engine": "nearest", "speed": "slow"}})
    until(lambda: page.json("/api/v1/jobs/1")["progress"]["frames"] > 0)
    family = page.family()
    for name in ("sr4k-job", "sr4k-page"):
        os.kill(page.child(name), signal.SIGSTOP)
    page.process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        page.process.wait(0.5)
    page.process.send_signal(signal.SIGTERM)
    assert page.process.wait(5) == 128 + signal.SIGTERM  # their patience is 8 seconds
    until(lambda: not [pid for pid in family if is_alive(pid)])


def changes_the_file(page: Page) -> None:
    """Change one channel by the page: its keys stay in the file and are not shown, and the other channel runs on."""
    file = page.folder / "channels.yaml"
    file.chmod(0o640)
    shown, untouched = page.json("/api/v1/channel-file"), page.json("/api/v1/channels/plays")["began"]
    assert TYPED not in shown["text"] and "${IN_KEY}" in shown["text"]
    assert page.ask("GET", "/api/v1/channel-file", token=VIEW)[0] == 403
    edited = {**shown, "text": shown["text"].replace("  one:\n", "  one:\n    sound: false  # a camera\n")}
    del edited["name"]
    status, text = page.ask("POST", "/api/v1/channel-file/check", edited)
    assert (status, json.loads(text)["changes"]) == (200, {"added": [], "changed": ["one"], "removed": []})
    assert "+    sound: false  # a camera" in json.loads(text)["diff"]
    assert "a camera" not in file.read_text()
    status, text = page.ask("PUT", "/api/v1/channel-file", edited)
    assert status == 200 and TYPED not in text
    assert f"rtmp://127.0.0.1:9/app/{TYPED}" in file.read_text() and "sound: false  # a camera" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o640
    until(lambda: "changed: one" in page.log)
    assert page.ask("PUT", "/api/v1/channel-file", edited)[0] == 409  # another version by now
    shown = page.json("/api/v1/channel-file")
    for old, new, words in (
        ("127.0.0.1:9/app/***", "evil.example/app/***", "its address has changed"),
        ("pattern://96x64@25", "http://127.0.0.1:19999/x/${IN_KEY}", "a key can't be sent elsewhere"),
    ):
        stolen = {"text": shown["text"].replace(old, new), "version": shown["version"]}
        status, text = page.ask("PUT", "/api/v1/channel-file", stolen)
        assert status == 422 and words in text
    assert page.json("/api/v1/channels/plays")["began"] == untouched


@pytest.mark.slow(seconds=25)
def test_a_file_is_queued_survives_a_kill_and_is_done_and_no_key_is_shown_anywhere(page: Page) -> None:
    clip = write_clip(page.library / "a.mp4", frames=120, rate=1, size=(320, 180), audio=False)
    assert page.ask("GET", "/api/v1/jobs", token=None)[0] == 401
    assert "does not know the time zone Europe/Atlantis" in page.log
    status, text = page.ask("POST", "/api/v1/jobs", {"sources": [str(clip)], "options": {"engine": "openvino"}})
    assert status == 201, text
    (job,) = json.loads(text)
    until(lambda: page.json(f"/api/v1/jobs/{job['id']}")["state"] == "running")
    told = page.log
    page.process.kill()
    page.process.wait()
    (left,) = page.temporary.glob("sr4k*")
    page.start()
    assert not left.exists() and len(list(page.temporary.glob("sr4k*"))) == 1
    until(lambda: page.json(f"/api/v1/jobs/{job['id']}")["state"] in ("done", "failed"))
    done = page.json(f"/api/v1/jobs/{job['id']}")
    assert done["state"] == "done", done["error"]
    assert done["runs"] == 2
    assert len(video_times(page.library / "a 4K.mp4")) == len(video_times(clip))

    assert [each["name"] for each in page.json("/api/v1/channels")] == ["one", "plays"]
    status, text = page.ask("POST", "/api/v1/channels/one/stop")
    assert (status, json.loads(text)["halted"]) == (202, True)
    until(lambda: page.json("/api/v1/channels/one")["phase"] == "stopped")
    for path in (
        "jobs",
        "channels",
        "channels/one",
        "channel-file",
        "channels/one/history",
        "models",
        "presets",
        "queue",
        "settings",
        "library",
    ):
        told += page.ask("GET", f"/api/v1/{path}")[1]
    assert '"text":"stopped by an operator","event":"operator"' in told
    for path in ("/ready", "/metrics", "/"):
        told += page.ask("GET", path)[1]

    page.process.send_signal(signal.SIGTERM)
    assert page.process.wait(60) == 0
    told += page.log
    assert not [key for key in (*KEYS.values(), TYPED) if key in told]
    assert "a bug in sr4k-stream" not in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--state", "/tmp"], "a --library of videos"),
        (["--library", "/nowhere"], "/nowhere isn't a folder"),
        (["--listen", "0.0.0.0:0"], "needs a token"),
        (["--listen", "nonsense"], "isn't an address"),
        (["--library", "/tmp", "--check"], "--check is for files"),
    ],
)
def test_what_can_not_be_served_is_refused_in_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    environment.pop("SR4K_TOKEN", None)
    ran = subprocess.run(
        [BIN / "sr4k", "serve", *arguments], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert ran.returncode in (2, 3)
    assert words in " ".join(ran.stderr.split())
    assert ran.stderr.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_without_its_extra_the_page_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(page_module, "find_spec", lambda name: None if name == "uvicorn" else object())
    alone = ClusterOptions(None, (), None, without_token=False)
    with pytest.raises(OptionError, match=r"needs uvicorn: pip install 'sr4k-stream\[web\]'"):
        page_module.page_beside("127.0.0.1:0", [tmp_path], None, None, [], Redaction(), alone)
