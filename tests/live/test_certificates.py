"""Servers without a trusted certificate: nothing is read from them, wherever a source leads; the reason is reported."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import av
import pytest
from certificates import serving, write_certificate
from clips import blank
from connecting import ConnectProxy
from pulling import FileServer, Pulled

from sr4k.errors import OptionError
from sr4k.live.address import parse_source
from sr4k.live.receive.hls_fetcher import _whole
from sr4k.live.receive.open_source import CantOpenError, open_source
from sr4k.live.tls import tls_options

Certificate = tuple[Path, Path]


class Site:
    """A folder served by three servers: one trusted, one not, and one without TLS."""

    def __init__(self, folder: Path, trusted: FileServer, stranger: FileServer, plain: FileServer) -> None:
        self.folder, self.trusted, self.stranger, self.plain = folder, trusted, stranger, plain

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(f"#EXTM3U\n{text}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segments in the clear, encrypted, and of fragmented MP4."""
    folder = tmp_path_factory.mktemp("hls")
    key = folder / "a.key"
    key.write_bytes(bytes(range(16)))
    (folder / "key_info").write_text(f"a.key\n{key}\n")
    for name, options in {
        "clear": {},
        "secret": {"hls_key_info_file": str(folder / "key_info")},
        "mp4": {"hls_segment_type": "fmp4", "hls_fmp4_init_filename": "init.mp4"},
    }.items():
        told = {"hls_time": "0.4", "hls_list_size": "0", **options}
        with av.open(str(folder / f"{name}.m3u8"), "w", format="hls", options=told) as target:
            stream = target.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "10"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for _ in range(20):
                target.mux(stream.encode(blank(64, 48)))
            target.mux(stream.encode(None))
    return folder


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificate, Certificate]:
    """A trusted certificate, and an untrusted one."""
    folder = tmp_path_factory.mktemp("certificates")
    return write_certificate(folder, "trusted"), write_certificate(folder, "stranger", names="DNS:elsewhere.example")


@pytest.fixture
def site(
    folder: Path, certificates: tuple[Certificate, Certificate], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    trusted, stranger = certificates
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted[0]))
    with (
        FileServer(folder, serving(trusted)) as first,
        FileServer(folder, serving(stranger)) as second,
        FileServer(folder) as third,
    ):
        yield Site(folder, first, second, third)


def pictures(url: str) -> int:
    opening = open_source(parse_source(url))
    with opening.container as container:
        count = sum(1 for _ in container.decode(opening.video))
    assert opening.fetcher is None or opening.fetcher.refused is None
    return count


def refusal(url: str) -> str:
    with pytest.raises(CantOpenError) as caught:
        open_source(parse_source(url))
    return str(caught.value)


@pytest.mark.parametrize("name", ["clear", "secret", "mp4"])
def test_what_a_trusted_server_has_is_played(site: Site, name: str) -> None:
    assert pictures(site.trusted.url(f"{name}.m3u8")) == 20


@pytest.mark.parametrize("path", ["clear0.ts", "to//clear0.ts"])
def test_a_file_of_a_trusted_server_is_played(site: Site, path: str) -> None:
    assert pictures(site.trusted.url(path)) == 10


def test_a_playlist_of_playlists_is_played_and_a_redirection_is_where_paths_begin(site: Site) -> None:
    site.write("all.m3u8", "#EXT-X-STREAM-INF:BANDWIDTH=1000\nto//there/list.m3u8\n")
    there = site.folder / "there"
    there.mkdir(exist_ok=True)
    for name in ("clear0.ts", "clear1.ts"):
        (there / name).write_bytes((site.folder / name).read_bytes())
    (there / "list.m3u8").write_text((site.folder / "clear.m3u8").read_text())
    site.trusted.sets = "pass=word; Path=/"
    assert pictures(site.trusted.url("all.m3u8")) == 20
    assert site.trusted.asked[-2:] == ["/there/clear0.ts", "/there/clear1.ts"]
    assert site.trusted.cookies[-1] == "pass=word"


@pytest.mark.parametrize(
    ("reference", "whole"),
    [
        ("a.ts?b/c", "https://me@h:1/x//y/a.ts?b/c"),
        ("z//a.ts", "https://me@h:1/x//y/z//a.ts"),
        ("../../../../a.ts", "https://me@h:1/a.ts"),
        ("./z/../a.ts", "https://me@h:1/x//y/a.ts"),
        ("/a.ts", "https://me@h:1/a.ts"),
        ("//i/a.ts", "https://i/a.ts"),
        ("http://i//a.ts", "http://i//a.ts"),
        ("?a", "https://me@h:1/x//y/list.m3u8?a"),
    ],
)
def test_references_are_read_as_from_where_they_stand(reference: str, whole: str) -> None:
    assert _whole(reference, "https://me@h:1/x//y/list.m3u8?token") == whole


def with_strangers(site: Site, playlist: str, pattern: str) -> str:
    """The playlist, with what matches at the stranger's."""
    text = (site.folder / f"{playlist}.m3u8").read_text().removeprefix("#EXTM3U\n")
    changed = re.sub(pattern, lambda found: site.stranger.url(found[0]), text, flags=re.MULTILINE)
    assert changed != text
    return changed


@pytest.mark.parametrize("first", ["trusted", "plain"])
@pytest.mark.parametrize(
    ("playlist", "pattern"),
    [
        ("clear", r"^clear.*"),
        ("secret", r"a\.key"),
        ("secret", r"^secret.*"),
        ("mp4", r"init\.mp4"),
        ("mp4", r"^mp4.*"),
    ],
)
def test_no_segment_key_or_header_is_taken_from_a_stranger(site: Site, playlist: str, pattern: str, first: str) -> None:
    site.write("led.m3u8", with_strangers(site, playlist, pattern))
    told = refusal(getattr(site, first).url("led.m3u8"))
    assert "certificate" in told
    assert "is not trusted: " in told
    assert site.stranger.asked == []


@pytest.mark.parametrize(
    "leading",
    [
        "#EXT-X-STREAM-INF:BANDWIDTH=1000\n{}\n",
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="{}"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nclear.m3u8\n',
    ],
)
def test_no_playlist_is_taken_from_a_stranger(site: Site, leading: str) -> None:
    site.write("all.m3u8", leading.format(site.stranger.url("clear.m3u8")))
    assert "certificate" in refusal(site.trusted.url("all.m3u8"))
    assert site.stranger.asked == []


@pytest.mark.parametrize("path", ["clear.m3u8", "clear0.ts"])
def test_a_redirection_to_a_stranger_is_not_followed(site: Site, path: str) -> None:
    url = site.trusted.url(f"to/{site.stranger.url(path)}")
    assert "its certificate is not trusted: " in refusal(url)
    assert site.stranger.asked == []


def test_segments_that_a_redirection_leads_to_a_stranger_are_not_taken(site: Site) -> None:
    text = (site.folder / "clear.m3u8").read_text().removeprefix("#EXTM3U\n")
    site.write("led.m3u8", re.sub("^clear.*", lambda found: f"/to/{site.stranger.url(found[0])}", text, flags=re.M))
    assert "certificate" in refusal(site.trusted.url("led.m3u8"))
    assert site.stranger.asked == []


@pytest.mark.slow
def test_a_stranger_that_takes_a_servers_place_meanwhile_ends_the_stream(
    site: Site, certificates: tuple[Certificate, Certificate]
) -> None:
    """Later segments of a live playlist are checked as well."""
    where = serving(certificates[0])
    lines = (site.folder / "clear.m3u8").read_text().replace("#EXT-X-ENDLIST\n", "")
    (site.folder / "live.m3u8").write_text(lines)
    with FileServer(site.folder, where) as server, Pulled(server.url("live.m3u8")) as pulled:
        pulled.pictures(5)
        where.load_cert_chain(*certificates[1])
        assert "its certificate is not trusted: " in pulled.end(20).reason


def test_schemes_that_are_none_of_the_webs_are_not_opened_by_a_playlist(site: Site, folder: Path) -> None:
    for uri in (f"file://{folder}/clear0.ts", f"crypto+file://{folder}/clear0.ts", "ftp://127.0.0.1/clear0.ts"):
        site.write("led.m3u8", f"#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{uri}\n#EXT-X-ENDLIST\n")
        refusal(site.plain.url("led.m3u8"))


_VARIANT = "#EXT-X-STREAM-INF:BANDWIDTH=1\n"
_SOUND = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="ring.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\n'


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (f"{_VARIANT}ring.m3u8\n", "", "to itself"),
        (f"{_VARIANT}ring.m3u8?again\n", "", "to itself"),
        (f"{_VARIANT}other.m3u8\n", f"{_VARIANT}ring.m3u8\n", "leads to another"),
        (f"{_SOUND}clear.m3u8\n", "", "to itself"),
        ("".join(f"{_VARIANT}clear.m3u8?{k}\n" for k in range(300)), "", "too many others"),
    ],
)
def test_playlists_that_lead_on_for_ever_are_refused_at_once(site: Site, first: str, second: str, words: str) -> None:
    site.write("ring.m3u8", first)
    site.write("other.m3u8", second)
    assert words in refusal(site.plain.url("ring.m3u8"))


@pytest.mark.parametrize(
    ("names", "words"),
    [("DNS:localhost", "self"), ("DNS:elsewhere.example", "self"), ("DNS:a.example", "Hostname mismatch")],
)
@pytest.mark.parametrize("scheme", ["rtmps", "rtsps", "https"])
def test_the_certificate_is_named_where_it_is_the_reason(
    scheme: str, names: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = write_certificate(tmp_path, names=names)
    other = write_certificate(tmp_path, "other")
    monkeypatch.setenv("SSL_CERT_FILE", str(shown[0] if "mismatch" in words else other[0]))
    with FileServer(tmp_path, serving(shown)) as server:
        told = refusal(server.url("a/b").replace("https", scheme))
    assert told.startswith("its certificate is not trusted: ")
    assert words in told


@pytest.mark.parametrize("scheme", ["rtmps", "rtsps", "https"])
def test_a_server_that_is_believed_is_not_blamed_for_its_certificate(site: Site, scheme: str) -> None:
    assert "certificate" not in refusal(site.trusted.url("none/a").replace("https", scheme))


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_authorities_that_are_none_let_nobody_be_believed(
    site: Site, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "none.pem"
    if content is not None:
        named.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    words = "is not a file" if content is None else "holds no certificate"
    with pytest.raises(OptionError, match=rf"SSL_CERT_FILE names .*none\.pem, which {words}"):
        open_source(parse_source(site.trusted.url("clear.m3u8")))
    site.write("led.m3u8", with_strangers(site, "clear", r"^clear.*"))
    told = refusal(site.plain.url("led.m3u8"))
    assert "is not trusted: " in told
    assert f"SSL_CERT_FILE names {named}, which {words}" in told
    assert tls_options(parse_source("rtmp://host/app/key"))["tls_verify"] == "1"


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("name", ["clear0.ts", "clear.m3u8"])
def test_https_goes_through_a_proxy_and_is_checked_there_as_well(
    site: Site, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ConnectProxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        url = site.trusted.url(name)
        assert pictures(url) == (10 if name == "clear0.ts" else 20)
        direct = urlsplit(url).netloc
        assert set(proxy.asked) == {direct}
        assert "certificate is not trusted" in refusal(site.stranger.url(name))
        asked = len(proxy.asked)
        monkeypatch.setenv("no_proxy", "localhost")
        assert pictures(url) > 0
        assert len(proxy.asked) == asked
