"""Webhooks are told what happened, signed, again if need be, and no log shows their addresses."""

import json
import logging
import threading
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from queues import FAST, Place, until
from serving import Serving

from sr4k.errors import OptionError
from sr4k.queue import announcing
from sr4k.queue.announcing import Announcer, Receivers, in_words, signature


class Hook(BaseHTTPRequestHandler):
    answers: list[int]
    told: list[tuple[Message, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.answers.pop(0) if self.answers else 200
        if answer == 200:
            self.told.append((self.headers, body))
        self.send_response(answer)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.mark.slow(seconds=2)
def test_a_webhook_is_told_of_each_end_once_and_signed_though_its_server_was_away_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    may_begin, run = threading.Event(), Announcer._run

    def late(announcer: Announcer) -> None:
        assert may_begin.wait(60)
        run(announcer)

    monkeypatch.setattr(Announcer, "_run", late)
    monkeypatch.setattr(announcing, "_WAITS", (0.05, 0.05))
    place = Place(tmp_path)
    job = place.queue.add(tmp_path / "a.mp4", tmp_path / "b.mp4", FAST)
    handler = type("Handler", (Hook,), {"answers": [500, 302], "told": []})
    with Serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server, caplog.at_level(logging.DEBUG):
        url = f"http://127.0.0.1:{server.port}/hook/secretpath99"
        receivers = Receivers.of({"SR4K_WEBHOOKS": url, "SR4K_WEBHOOK_SECRET": "hushhush"})
        with Announcer(place.queue, receivers):
            place.queue.begin(job.id)
            place.queue.fail(job.id, "The source is broken.", 3)
            may_begin.set()  # later than what it is to tell
            place.queue.tell_channel("one", state="down", reason="the source is silent")
            until(lambda: len(handler.told) == 2)
        with Announcer(place.queue, receivers):
            place.queue.tell_channel("one", state="up", reason="")
            until(lambda: len(handler.told) == 3)
        handler.answers += [500] * 9
        with Announcer(place.queue, receivers):
            place.queue.tell_channel("one", state="down", reason="")
            until(lambda: "was not told" in caplog.text)
    for headers, body in handler.told:
        signed = signature("hushhush", headers["X-Sr4k-Timestamp"], body)
        assert headers["X-Sr4k-Signature"] == f"sha256={signed}"
    news = [json.loads(body) for _, body in handler.told]
    assert [each["event"] for each in news] == ["job.failed", "channel.down", "channel.up"]
    assert news[0]["job"]["error"] == "The source is broken."
    assert in_words(news[1]) == "Channel one is down: the source is silent"
    assert "secretpath99" not in caplog.text
    assert "hushhush" not in caplog.text


def test_addresses_that_are_no_webhooks_are_refused_without_being_shown() -> None:
    with pytest.raises(OptionError) as error:
        Receivers.of({"SR4K_WEBHOOKS": "file:///etc/passwd"})
    assert "passwd" not in str(error.value)


@pytest.mark.slow(seconds=2)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of modules that Apprise imports
def test_people_are_told_in_a_sentence_where_apprise_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("apprise", reason="is in the extra [notify]")
    place = Place(tmp_path)
    handler = type("Handler", (Hook,), {"answers": [], "told": []})
    with Serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        receivers = Receivers.of({"SR4K_APPRISE": f"json://127.0.0.1:{server.port}/"})
        with Announcer(place.queue, receivers):
            until(lambda: place.queue.fact("announced") is not None)
            place.queue.tell_channel("one", state="down", reason="the source is silent")
            until(lambda: bool(handler.told))
    assert json.loads(handler.told[0][1])["message"] == "Channel one is down: the source is silent"
