"""Streams over TLS, from and to a real server behind a proxy that ends it."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import serving, write_certificate
from connecting import ConnectProxy
from pulling import Pulled, publishing

from rig.channel import Channel, eventually
from rig.faults import Proxy
from rig.servers import NginxRtmp
from rig.view import Viewer
from sr4k.errors import OptionError
from sr4k.live.address import parse_source, parse_target
from sr4k.live.send.push_process import _reason
from sr4k.live.tls import tls_options


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate, and its key."""
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(server: Callable[[type], Any], certificate: tuple[Path, Path]) -> Iterator[tuple[NginxRtmp, str]]:
    """A server, and its address over TLS."""
    plain = server(NginxRtmp)
    with Proxy(plain.port, tls=serving(certificate)) as proxy:
        yield plain, f"rtmps://localhost:{proxy.port}/live"


@pytest.mark.slow
def test_streams_come_and_go_by_rtmps_whatever_the_file_of_authorities_is_called(
    secure: tuple[NginxRtmp, str], certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain, url = secure
    authorities = tmp_path / "a:b]'c=d|e\\.pem"
    authorities.write_bytes(certificate[0].read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    with publishing(plain.url("in")), Channel(f"{url}/in", f"{url}/out") as channel:
        eventually(lambda: channel.states_out() == ["live"], 30)
        with Viewer(plain.url("out")) as viewer:
            eventually(lambda: sum("picture" in line for line in viewer.lines()) > 20, 20)
        assert channel.stop()[0] == 0


@pytest.mark.slow
def test_where_http_proxy_says_so_a_source_is_reached_through_a_proxy(
    secure: tuple[NginxRtmp, str], certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, url = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with ConnectProxy() as proxy, publishing(plain.url("in")):
        monkeypatch.setenv("http_proxy", proxy.url)
        with Pulled(f"{url}/in") as pulled:
            pulled.until(lambda: len(pulled.frames) > 5, 20)
    assert proxy.asked[0] == url.removeprefix("rtmps://").partition("/")[0]


@pytest.mark.slow(seconds=1)
def test_a_certificate_that_nobody_vouches_for_is_refused(secure: tuple[NginxRtmp, str]) -> None:
    plain, url = secure
    with publishing(plain.url("in")), Pulled(f"{url}/in") as pulled:
        assert "certificate is not trusted" in pulled.end(20).reason


def test_a_target_with_such_a_certificate_is_told_why(
    secure: tuple[NginxRtmp, str], certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    target, refused = parse_target(f"{secure[1]}/out"), OSError(errno.EIO, "I/O error")
    assert _reason(refused, target).startswith("its certificate is not trusted: ")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert "certificate" not in _reason(refused, target)


def test_without_authorities_secure_addresses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr4k.live.tls._authorities", lambda: None)
    with pytest.raises(OptionError, match="SSL_CERT_FILE"):
        tls_options(parse_source("rtmps://host/app/key"))
    assert tls_options(parse_source("rtmp://host/app/key")) == {"tls_verify": "1"}
