"""Webhooks are told what happened, signed, again if need be, and no log shows their addresses."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from queues import FAST, Place, until
from serving import Serving

from sr4k.queue.announcing import Announcer
from sr4k.queue.apprise_notices import in_words
from sr4k.queue.receivers import receivers_of
from sr4k.queue.webhooks import Webhook, signature


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

    def late(*args: Any) -> None:
        assert may_begin.wait(60)
        run(*args)

    monkeypatch.setattr(Announcer, "_run", late)
    monkeypatch.setattr(Webhook, "waits", (0.05, 0.05))
    place = Place(tmp_path)
    job = place.queue.add(tmp_path / "a.mp4", tmp_path / "b.mp4", FAST)
    handler = type("Handler", (Hook,), {"answers": [500, 302], "told": []})
    with Serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server, caplog.at_level(logging.DEBUG):
        url = f"http://127.0.0.1:{server.port}/hook/secretpath99"
        receivers = receivers_of({"SR4K_WEBHOOKS": url, "SR4K_WEBHOOK_SECRET": "hushhush"})
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


@pytest.mark.slow(seconds=2)
def test_people_are_told_in_a_sentence_where_apprise_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("apprise", reason="is in the extra [notify]")
    place = Place(tmp_path)
    handler = type("Handler", (Hook,), {"answers": [], "told": []})
    with Serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        receivers = receivers_of({"SR4K_APPRISE": f"json://127.0.0.1:{server.port}/"})
        with Announcer(place.queue, receivers):
            until(lambda: place.queue.fact("told") is not None)
            place.queue.tell_channel("one", state="down", reason="the source is silent")
            until(lambda: bool(handler.told))
    assert json.loads(handler.told[0][1])["message"] == "Channel one is down: the source is silent"


@contextmanager
def dripping() -> Iterator[int]:
    """A server that answers a byte a time, for ever; its port."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                try:
                    while not over.wait(0.1):
                        connection.sendall(b"H")
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.slow(seconds=4)
def test_receivers_do_not_wait_for_each_other_and_the_end_waits_for_none(tmp_path: Path) -> None:
    place = Place(tmp_path)
    handler = type("Handler", (Hook,), {"answers": [], "told": []})
    with dripping() as slow, Serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        both = receivers_of({"SR4K_WEBHOOKS": f"http://127.0.0.1:{slow}/ http://127.0.0.1:{server.port}/"})
        with Announcer(place.queue, both):
            for state in ("down", "up"):
                place.queue.tell_channel("one", state=state, reason="")
            until(lambda: len(handler.told) == 2)
            began = time.monotonic()
        assert time.monotonic() - began < 10  # a telling may take 20
    with Serving(ThreadingHTTPServer(("127.0.0.1", slow), handler)), Announcer(place.queue, both):
        until(lambda: len(handler.told) == 4)  # what was interrupted is told by the next service, to that one alone
    assert [json.loads(body)["channel"]["state"] for _, body in handler.told] == ["down", "up"] * 2
