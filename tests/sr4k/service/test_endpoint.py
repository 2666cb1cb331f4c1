import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection

import pytest
from prometheus_client.parser import text_string_to_metric_families
from toy_statuses import SECRETS, SOURCE, addresses, statuses

from rig.channel import eventually
from rig.fair_time import Stopwatch
from sr4k.errors import OptionError
from sr4k.live.address import parse_source
from sr4k.service import endpoint
from sr4k.service.channel_status import ChannelMonitor
from sr4k.service.endpoint import parse_address, serve_http
from sr4k.service.redaction import Redaction


@pytest.fixture
def channel() -> Iterator[ChannelMonitor]:
    monitor = ChannelMonitor("news")
    with monitor.running():
        yield monitor


def get(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=240)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_metrics_are_served(channel: ChannelMonitor) -> None:
    with serve_http("127.0.0.1:0", [channel]) as port:
        channel.update(statuses())
        status, text = get(port, "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert status == 200
    assert families["sr4k_in_frames"].samples[0].value == 100
    assert "process_resident_memory_bytes" in families
    assert not [secret for secret in SECRETS if secret in text]


def test_ready_follows_the_channels(channel: ChannelMonitor) -> None:
    with serve_http("127.0.0.1:0", [channel]) as port:
        status, text = get(port, "/ready")
        assert (status, json.loads(text)["channels"]["news"]["ready"]) == (503, False)
        channel.update(statuses())
        assert get(port, "/ready")[0] == 200
        channel.update(statuses(intake={"state": "away", "reason": "nothing came for 5 s"}))
        status, text = get(port, "/ready")
    assert status == 503
    assert json.loads(text)["channels"]["news"]["in"]["reason"] == "nothing came for 5 s"
    assert not [secret for secret in SECRETS if secret in text]


def test_secrets_go_from_what_channels_tell_in_their_own_words(channel: ChannelMonitor) -> None:
    with serve_http("127.0.0.1:0", [channel], Redaction(*addresses())) as port:
        channel.update(statuses(intake={"state": "away", "reason": f"no {SOURCE}"}))
        text = get(port, "/ready")[1]
    assert json.loads(text)["channels"]["news"]["in"]["reason"] == "no rtmp://in.example/live/***?***"


@pytest.mark.parametrize("key", ["live", "true", "channels", "reason", "news"])
def test_a_stream_key_that_is_an_ordinary_word_leaves_ready_as_it_is(channel: ChannelMonitor, key: str) -> None:
    with serve_http("127.0.0.1:0", [channel], Redaction(parse_source(f"rtmp://in.example/{key}/{key}"))) as port:
        channel.update(statuses(intake={"reason": f"no rtmp://in.example/{key}/{key}"}))
        hidden = json.loads(get(port, "/ready")[1])
    with serve_http("127.0.0.1:0", [channel]) as port:
        plain = json.loads(get(port, "/ready")[1])
    assert plain["channels"]["news"]["in"].pop("reason") == f"no rtmp://in.example/{key}/{key}"
    assert hidden["channels"]["news"]["in"].pop("reason") == f"no rtmp://in.example/{key}/***"
    assert hidden == plain


def test_health_does_not_depend_on_streams() -> None:
    with serve_http("127.0.0.1:0", [ChannelMonitor("news")]) as port:
        assert get(port, "/health")[0] == 200
        assert get(port, "/")[0] == 404


def test_a_client_that_says_nothing_keeps_nobody_waiting() -> None:
    with (
        serve_http("127.0.0.1:0", [ChannelMonitor("news")]) as port,
        socket.create_connection(("127.0.0.1", port)),
    ):
        assert get(port, "/health")[0] == 200


@pytest.mark.slow
def test_a_client_that_takes_too_long_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_PATIENCE", 1.0)
    with (
        serve_http("127.0.0.1:0", [ChannelMonitor("news")]) as port,
        socket.create_connection(("127.0.0.1", port), 10) as slow,
    ):
        slow.sendall(b"GET /health HTTP/1.1\r\nX: ")
        watch = Stopwatch()
        with suppress(OSError):
            while watch.fair < 10:
                slow.sendall(b"a")
                time.sleep(0.1)
        assert watch.wall > 0.9
        assert watch.fair < 9


def test_clients_that_stay_make_room_for_those_who_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_MOST_CLIENTS", 4)
    with serve_http("127.0.0.1:0", [ChannelMonitor("news")]) as port, ExitStack() as held:
        before = threading.active_count()
        staying = [held.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(20)]
        for client in staying:
            with suppress(OSError):  # hung up on already
                client.sendall(b"GET /health HTTP/1.1\r\nX: ")
        assert get(port, "/health")[0] == 200
        assert all(is_gone(client) for client in staying[:16])
        eventually(lambda: threading.active_count() - before <= 8, 5)


def is_gone(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.slow
def test_where_descriptors_have_run_out_it_neither_spins_nor_dies() -> None:
    code = """
import os, resource, socket, sys, time
from urllib.request import urlopen
from sr4k.service import endpoint
from sr4k.service.endpoint import serve_http
from sr4k.service.channel_status import ChannelMonitor
with serve_http("127.0.0.1:0", [ChannelMonitor("news")]) as port:
    urlopen(f"http://127.0.0.1:{port}/health").close()
    client, held = socket.socket(), []
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    client.connect(("127.0.0.1", port))
    began = time.process_time()
    time.sleep(2)
    print("busy" if time.process_time() - began > 0.5 else "idle")
    for number in held:
        os.close(number)
    print(urlopen(f"http://127.0.0.1:{port}/health", timeout=240).status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False)
    assert (done.stdout.split(), done.stderr) == (["idle", "200"], "")


def test_a_taken_port_is_one_clear_error() -> None:
    with (
        serve_http("127.0.0.1:0", []) as port,
        pytest.raises(OptionError, match=rf"127.0.0.1:{port}: Address already in use"),
        serve_http(f"127.0.0.1:{port}", []),
    ):
        raise AssertionError("not reached")


def test_the_port_is_free_again_afterwards() -> None:
    with serve_http("127.0.0.1:0", []) as port:
        pass
    with serve_http(f"127.0.0.1:{port}", []) as again:
        assert again == port


def test_without_a_host_all_interfaces_are_listened_on() -> None:
    with serve_http(":0", []) as port:
        assert get(port, "/health")[0] == 200


@pytest.mark.parametrize(
    ("text", "address"), [(":9108", ("", 9108)), ("10.0.0.1:80", ("10.0.0.1", 80)), ("[::1]:80", ("::1", 80))]
)
def test_addresses_are_read(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["9108", "host", "host:", "host:http", "::1:80", ":65536", ":-1", ":٣", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="isn't an address to listen on"):
        parse_address(text)


def test_a_host_that_is_not_here_is_one_clear_error() -> None:
    with pytest.raises(OptionError, match=r"Can't listen on 192\.0\.2\.1:9108"), serve_http("192.0.2.1:9108", []):
        raise AssertionError("not reached")
