"""What a WHIP server answers, and what becomes of it: real HTTP, without media."""

import base64
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
from certificates import serving, write_certificate
from connecting import ConnectProxy
from serving import Serving

from sr4k.errors import OptionError, OutputError
from sr4k.live.address import parse_target
from sr4k.live.send.whip_http import Session, forget, offered
from sr4k.service.failure_kinds import kind_of

OFFER = b"v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 106\r\n"
TOKEN = "tokenthatnobodymaysee"
HOST, LAN = "a=candidate:2 1 udp 2130706431 127.0.0.1 8189 typ host", "a=candidate:1 1 UDP 9 10.0.0.9 1 typ host"
ANSWER = (
    "v=0",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "a=candidate:3 1 tcp 9 127.0.0.1 8189 typ host tcptype passive",
    "a=candidate:4 1 udp 9 0b0e.local 8189 typ host",
    LAN,
    HOST,
    "a=end-of-candidates",
    "m=video 9 UDP/TLS/RTP/SAVPF 106",
    "a=mid:1",
)


class Asked(NamedTuple):
    method: str
    path: str
    authorization: str | None
    body: bytes


class Answering(Serving):
    """A server that answers each POST with the next of ``replies``: status, text, Location."""

    def __init__(self, *replies: tuple[int, str, str], certificate: tuple[Path, Path] | None = None) -> None:
        self.asked: list[Asked] = []
        asked, left = self.asked, list(replies)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                code, text, location = left.pop(0)
                self._note()
                self.send_response(code)
                self.send_header("Content-Type", "application/sdp")
                if location:
                    self.send_header("Location", location)
                self.end_headers()
                self.wfile.write(text.encode())

            def do_DELETE(self) -> None:
                self._note()
                self.send_response(200)
                self.end_headers()

            def _note(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.append(Asked(self.command, self.path, self.headers["Authorization"], body))

            def log_message(self, *words: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_words: object) -> None:
                assert isinstance(sys.exception(), OSError)  # the client rejects the certificate

        server = Server(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = serving(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        super().__init__(server)
        self.scheme = "whip" if certificate is None else "whips"

    def url(self, who: str = "", path: str = "/live/whip") -> str:
        return f"{self.scheme}://{who}127.0.0.1:{self.port}{path}"


def sdp(*lines: str) -> str:
    return "".join(f"{line}\r\n" for line in lines or ANSWER)


def post(url: str, offer: bytes = OFFER) -> Session:
    return offered(parse_target(url), offer)


def refusal(url: str) -> str:
    with pytest.raises(OutputError) as caught:
        post(url)
    assert TOKEN not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("certificates"))


def test_the_offer_is_posted_and_the_session_deleted_with_the_token() -> None:
    with Answering((201, sdp(), "/sessions/1")) as server:
        url = server.url(f"{TOKEN}%2F%40@", "/live/whip?room=1")
        session = post(url)
        forget(parse_target(url), session.resource)
    bearer = f"Bearer {TOKEN}/@"
    assert server.asked == [
        Asked("POST", "/live/whip?room=1", bearer, OFFER),
        Asked("DELETE", "/sessions/1", bearer, b""),
    ]


def test_each_stream_of_a_group_is_described() -> None:
    group = b"a=ssrc-group:FID 7 71\r\na=ssrc:7 cname:a\r\na=ssrc:7 msid:a b\r\n"
    added = b"a=ssrc:71 cname:a\r\na=ssrc:71 msid:a b\r\n"
    with Answering((201, sdp(), ""), (201, sdp(), "")) as server:
        post(server.url(), OFFER + group)
        post(server.url(), OFFER + group + added)
    assert [asked.body for asked in server.asked] == [OFFER + group + added] * 2


def test_a_user_and_a_password_are_sent_as_such() -> None:
    with Answering((201, sdp(), "")) as server:
        session = post(server.url("anna:a%3Ab@"))
        forget(parse_target(server.url()), session.resource)  # it has none
    (asked,) = server.asked
    assert asked.authorization == f"Basic {base64.b64encode(b'anna:a:b').decode()}"


def test_of_the_candidates_libav_gets_the_one_at_which_the_server_was_reached() -> None:
    with Answering((201, sdp(), "")) as server:
        session = post(server.url())
    assert session.media == "127.0.0.1:8189"
    assert [line for line in session.answer.splitlines() if "candidate:" in line] == [HOST]
    assert session.answer.endswith("m=video 9 UDP/TLS/RTP/SAVPF 106\r\na=mid:1\r\n")


def test_where_none_is_known_it_gets_the_first_that_it_can_use() -> None:
    with Answering((201, sdp("v=0", LAN, "a=candidate:5 1 udp 9 10.0.0.8 2 typ host"), "")) as server:
        assert post(server.url()).media == "10.0.0.9:1"


@pytest.mark.parametrize(
    ("reply", "told", "kind"),
    [
        (
            (401, "", ""),
            "It was rejected: the token or password is wrong or missing (the server answered 401).",
            "rejected",
        ),
        (
            (403, "", ""),
            "It was rejected: the token or password is wrong or missing (the server answered 403).",
            "rejected",
        ),
        ((404, "", ""), "It is no WHIP endpoint: the path is wrong (the server answered 404).", "rejected"),
        ((406, "", ""), "It does not accept this stream (the server answered 406).", "other"),
        (
            (409, "", ""),
            "It is not allowed: somebody else may be publishing there (the server answered 409).",
            "rejected",
        ),
        ((503, "", ""), "The server answered 503.", "other"),
        (
            (302, "", "/elsewhere"),
            "It redirects in a way that doesn't repeat the offer: use the address that it names "
            "(the server answered 302).",
            "other",
        ),
        ((200, "<html>", ""), "Its answer is no session description: the path is wrong.", "other"),
        ((201, sdp(*ANSWER[:-2], "m=video 0 RTP/SAVPF 0"), ""), "It accepts no H.264 video of this profile.", "other"),
        ((201, sdp("v=0", "m=audio 0 RTP/SAVPF 0", HOST), ""), "It accepts no Opus sound.", "other"),
        ((201, sdp(*ANSWER, *["a=x"] * 2000), ""), "Its answer is longer than libav reads (8191 bytes).", "other"),
        ((201, sdp(*ANSWER[:4]), ""), "Its answer names no UDP address of its own to send to.", "other"),
    ],
)
def test_a_refusal_is_told_in_one_line(reply: tuple[int, str, str], told: str, kind: str) -> None:
    with Answering(reply) as server:
        assert refusal(server.url(f"{TOKEN}@")).casefold() == told.casefold()
        assert kind_of(told) == kind


def test_a_session_that_is_of_no_use_is_deleted() -> None:
    with Answering((201, sdp("v=0", HOST.replace("host", "srflx")), "s/1")) as server:
        refusal(server.url(f"{TOKEN}@"))
    assert [asked[:3] for asked in server.asked][1:] == [("DELETE", "/live/s/1", f"Bearer {TOKEN}")]


def test_a_redirection_repeats_the_offer_with_the_token() -> None:
    with Answering((201, sdp(), "/s")) as far, Answering((307, "", far.url().replace("whip:", "http:"))) as near:
        session = post(near.url(f"{TOKEN}@"))
    assert far.asked == [Asked("POST", "/live/whip", f"Bearer {TOKEN}", OFFER)]
    assert session.resource == f"http://127.0.0.1:{far.port}/s"


def test_redirections_in_a_circle_end() -> None:
    with Answering(*[(308, "", "/a"), (308, "", "/b")] * 9) as server:
        assert refusal(server.url()) == "it redirects too often (the server answered 308)."


@contextmanager
def nobody() -> Iterator[str]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"whip://127.0.0.1:{bound.getsockname()[1]}/{TOKEN}"


@contextmanager
def no_http() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        yield f"whip://127.0.0.1:{listener.getsockname()[1]}/{TOKEN}"


def test_a_server_that_is_not_there_is_told() -> None:
    with nobody() as url:
        assert refusal(url) == "the connection was refused."
    assert "can't be resolved" in refusal(f"whip://nowhere.invalid/{TOKEN}")


def test_a_server_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr4k.live.send.whip_http._PATIENCE", 0.2)
    with no_http() as url:
        assert refusal(url) == "it did not answer in time."


class TestHttps:
    @pytest.fixture(autouse=True)
    def _trust(self, trusted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted[0]))

    def test_a_trusted_server_gets_the_offer(self, trusted: tuple[Path, Path]) -> None:
        with Answering((201, sdp(), "/s"), certificate=trusted) as server:
            assert post(server.url(f"{TOKEN}@")).resource == f"https://127.0.0.1:{server.port}/s"
        assert server.asked[0].authorization == f"Bearer {TOKEN}"

    def test_a_stranger_gets_nothing(self, tmp_path: Path) -> None:
        with Answering(certificate=write_certificate(tmp_path)) as server:
            assert refusal(server.url(f"{TOKEN}@")) == "its certificate is not trusted: self-signed certificate."
        assert server.asked == []

    def test_a_token_is_never_sent_in_the_clear(self, trusted: tuple[Path, Path]) -> None:
        with Answering() as plain:
            clear = plain.url().replace("whip:", "http:")
            with Answering((307, "", clear), (201, sdp(), clear), certificate=trusted) as server:
                assert "redirects from https to http" in refusal(server.url(f"{TOKEN}@"))
                forget(parse_target(server.url(f"{TOKEN}@")), post(server.url(f"{TOKEN}@")).resource)
        assert plain.asked == []

    def test_it_goes_through_a_proxy(self, trusted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
        with ConnectProxy() as proxy, Answering((201, sdp(), ""), certificate=trusted) as server:
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.delenv("no_proxy", raising=False)
            post(server.url())
            assert proxy.asked == [f"127.0.0.1:{server.port}"]


def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with ConnectProxy(refuses=407) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(OutputError, match=r"set in http_proxy, requires a user and a password"):
            post("whip://example.com/a")


def test_a_proxy_without_a_valid_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(OptionError, match="http_proxy"):
        post("whip://example.com/a")
