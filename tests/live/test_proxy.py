"""Errors of a proxy that can't be used: they name the proxy, and the variable that it comes from."""

import socket
from pathlib import Path

import pytest
from connecting import ConnectProxy
from pulling import FileServer

from rig.servers import free_port
from sr4k.errors import OptionError
from sr4k.live.address import parse_source, parse_target
from sr4k.live.proxy import check_proxy, proxy_trouble
from sr4k.live.receive.open_source import CantOpenError, open_source
from sr4k.live.send.check_target import check_target
from sr4k.live.send.push_process import _reason

SECURE = ["https://localhost:9/a.ts", "rtmps://localhost:9/app/key", "rtsps://localhost:9/a"]


def refusal(url: str) -> str:
    with pytest.raises(CantOpenError) as caught:
        open_source(parse_source(url))
    return str(caught.value)


@pytest.mark.parametrize("url", SECURE)
@pytest.mark.parametrize(
    ("code", "words"), [(403, "refuses to connect there (403)"), (407, "requires a user and a password")]
)
def test_a_proxy_that_refuses_is_named(url: str, code: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ConnectProxy(refuses=code) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        told = refusal(url)
    assert told.startswith(f"the proxy 127.0.0.1:{proxy.port}, set in http_proxy, {words}")


def test_a_proxy_that_wants_a_password_is_named_for_plain_http_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with ConnectProxy(refuses=407) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert "set in http_proxy, requires a user" in refusal("http://localhost:9/a.ts")


@pytest.mark.parametrize("url", ["http://localhost:9/a.ts", *SECURE])
def test_a_proxy_that_is_not_there_is_named_and_its_password_is_not(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port(socket.SOCK_STREAM)
    monkeypatch.setenv("http_proxy", f"http://anna:hunter2222@127.0.0.1:{port}")
    told = refusal(url)
    assert told == f"the proxy 127.0.0.1:{port}, set in http_proxy, can't be reached: Connection refused"


@pytest.mark.parametrize(
    "proxy",
    ["nonsense", "127.0.0.1:3128", "socks5://anna:hunter2222@h:1", "http://h:port", "HTTP://anna:hunter2222@h:1"],
)
def test_what_is_no_proxy_is_told_with_its_variable_before_anything_is_tried(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    for url in ("http://localhost:9/a.ts", *SECURE):
        with pytest.raises(OptionError) as told:
            open_source(parse_source(url))
        assert str(told.value).startswith("http_proxy isn't the address of a proxy: write http://HOST:PORT")
        assert proxy not in str(told.value)
    with pytest.raises(OptionError, match="http_proxy"):
        check_target(parse_target("rtmps://localhost:9/app/key"))


def test_a_target_is_told_why_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    with ConnectProxy(refuses=403) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        told = _reason(OSError(5, "I/O error"), parse_target("rtmps://localhost:9/app/key"))
    assert "set in http_proxy, refuses" in told


def test_a_proxy_is_not_blamed_for_what_others_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("rtmp://localhost:9/app/key", "udp://localhost:9"):
        monkeypatch.setenv("http_proxy", "nonsense")
        check_proxy(parse_source(url))
        assert proxy_trouble(parse_source(url)) is None
    monkeypatch.setenv("no_proxy", "localhost")
    check_proxy(parse_source(SECURE[0]))
    monkeypatch.delenv("no_proxy")
    with FileServer(tmp_path) as server, ConnectProxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert proxy_trouble(parse_source(server.url("a").replace("http", "https"))) is None
