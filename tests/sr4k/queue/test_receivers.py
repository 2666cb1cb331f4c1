import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sr4k.errors import OptionError, StoppedError
from sr4k.queue import webhooks
from sr4k.queue.receivers import receivers_of
from sr4k.queue.webhooks import Webhook

NEWS = {"id": 1, "event": "channel.up", "channel": {"name": "one", "state": "up"}}


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that gives one answer to each request, whatever it is: its port, and the requests."""
    requests: list[bytes] = []

    def serve() -> None:
        for answer in answers:
            connection, _ = server.accept()
            with connection:
                requests.append(connection.recv(1 << 16))
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], requests


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://[passwd/x",
        "http://h:passwd/",
        "https://",
        "http://h:0/passwd",
        "http://h:99999/passwd",
    ],
)
def test_addresses_that_are_no_webhooks_are_refused_without_being_shown(url: str) -> None:
    with pytest.raises(OptionError, match="SR4K_WEBHOOKS has an address") as error:
        receivers_of({"SR4K_WEBHOOKS": f"http://127.0.0.1/ {url}"})
    assert "passwd" not in str(error.value)


@pytest.mark.slow(seconds=2)
def test_an_address_that_apprise_does_not_know_is_refused_by_its_number() -> None:
    pytest.importorskip("apprise", reason="is in the extra [notify]")
    with pytest.raises(OptionError, match=r"Apprise doesn't know: number 2 of 3\.") as error:
        receivers_of({"SR4K_APPRISE": "json://127.0.0.1:9/ bogus://x/passwd xml://127.0.0.1:9/"})
    assert "passwd" not in str(error.value)


@pytest.mark.slow(seconds=4)
def test_each_address_of_apprise_is_told_by_itself_and_again_unless_it_stands_for_several() -> None:
    pytest.importorskip("apprise", reason="is in the extra [notify]")
    several = "mailto://me:passwd@example.org?to=a@example.org,b@example.org"
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (port, requests):
        refusing, told, mailed = receivers_of(
            {"SR4K_APPRISE": f"json://127.0.0.1:9/ json://127.0.0.1:{port}/ {several}"}
        )
        assert told.tell(NEWS, lambda: False) is None
        assert refusing.tell(NEWS, lambda: False) == "Apprise could not reach everybody behind it"
    assert len(requests) == 1
    assert [len(each.waits) for each in (refusing, told, mailed)] == [3, 3, 0]
    assert len({each.key for each in (refusing, told, mailed)}) == 3
    assert mailed.name == "Address 3 of SR4K_APPRISE"
    assert "passwd" not in repr(mailed)


def test_webhooks_are_called_by_host_and_port_and_by_a_number_where_several_are_there() -> None:
    urls = "http://h:1/passwd http://me:passwd@h:2/ http://h:1/?key=passwd http://h/passwd"
    names = [each.name for each in receivers_of({"SR4K_WEBHOOKS": urls})]
    assert names == ["Webhook 1 at h:1", "The webhook at h:2", "Webhook 2 at h:1", "The webhook at h"]


def test_a_webhook_that_does_not_answer_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert webhooks._posted(url, "{}", None) == "it did not answer in time"


@pytest.mark.slow(seconds=2)
def test_a_user_and_a_password_of_an_address_are_sent_as_such_and_told_nowhere() -> None:
    with answering(b"HTTP/1.1 204 Done\r\n\r\n", b"\x15\x03\x01garbage\r\n\r\n") as (port, requests):
        (hook,) = receivers_of({"SR4K_WEBHOOKS": f"http://me:p%40ss@127.0.0.1:{port}/x"})
        assert hook.tell(NEWS, lambda: False) is None
        reason = hook.tell(NEWS, lambda: False)
    assert reason == "what it answered is no HTTP"
    for request in requests:
        assert b"Authorization: Basic bWU6cEBzcw==" in request  # me:p@ss
        assert f"Host: 127.0.0.1:{port}\r\n".encode() in request
    assert "p%40ss" not in f"{hook} {hook.name}"


@pytest.mark.slow
def test_the_end_of_the_service_interrupts_a_post() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(StoppedError):
        Webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/", None).tell(NEWS, lambda: True)
