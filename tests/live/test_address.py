import re
from fractions import Fraction

import pytest

from sr4k.errors import OptionError
from sr4k.live.address import is_live, parse_pattern, parse_source, parse_target, shown
from sr4k.live.schemes import SCHEMES

SECRETS = ("hunter2222", "k3y-of-mine", "t0ken")

WITH_SECRETS = [
    "rtmp://anna:hunter2222@example.com/live/k3y-of-mine?auth=t0ken",
    "rtmps://example.com:443/live/k3y-of-mine",
    "rtmp://example.com/live/instance/k3y-of-mine",
    "rtmp://example.com/live/k3y-of-mine/",
    "rtmp://example.com/live/k3y-of-mine//?auth=t0ken",
    "rtmp://example.com/live/k3y-of-mine/instance",
    "rtmp://example.com/k3y-of-mine",
    "rtmp://example.com/k3y-of-mine/",
    "rtmp://example.com//live//k3y-of-mine",
    "rtmp://example.com/live?auth=t0ken/k3y-of-mine",
    "rtsp://example.com/k3y-of-mine",
    "rtsps://example.com/live/k3y-of-mine/",
    "rtsp://example.com/k3y-of-mine/trackID=1",
    "srt://example.com:9000/k3y-of-mine",
    "udp://example.com:9000/k3y-of-mine",
    "rtsp://anna:hunter2222@camera.example/axis",
    "https://anna:hunter2222@example.com/hls/a.m3u8?auth=t0ken#hunter2222",
    "srt://example.com:9000?streamid=k3y-of-mine&passphrase=hunter2222",
]


@pytest.mark.parametrize("text", WITH_SECRETS)
def test_what_is_shown_of_an_address_holds_no_secret(text: str) -> None:
    address = parse_source(text)
    for told in (str(address), repr(address), f"{address}", address.shown):
        assert not [secret for secret in SECRETS if secret in told]
    assert str(address).startswith(text.split("://", maxsplit=1)[0])
    assert address.url == text


@pytest.mark.parametrize("text", WITH_SECRETS)
def test_every_secret_of_an_address_is_listed_so_that_logs_can_be_searched(text: str) -> None:
    held = [secret for secret in SECRETS if secret in text]
    assert set(held) <= set(parse_source(text).secrets)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("rtmp://h/live/key1", "rtmp://h/live/***"),
        ("rtmp://h/live/key1/", "rtmp://h/live/***"),
        ("rtmp://h/live/a/key1?b=c", "rtmp://h/live/***?***"),
        ("rtmp://h/key1", "rtmp://h/***"),
        ("rtmp://h/", "rtmp://h/"),
        ("rtmps://user:word@h:443/live/key1", "rtmps://h:443/live/***"),
        ("rtsp://h:554/live/key1", "rtsp://h:554/***"),
        ("rtsp://h", "rtsp://h"),
        ("srt://h:1?streamid=key1", "srt://h:1?***"),
        ("https://user:word@h/a/b.m3u8?key1", "https://h/a/b.m3u8?***"),
        ("clips/a.mp4", "clips/a.mp4"),
        ("gopher://h/key1", "gopher://***"),
        ("rtmp://h:port/key1", "rtmp://***"),
    ],
)
def test_what_is_shown(text: str, seen: str) -> None:
    assert shown(text) == seen


@pytest.mark.parametrize("text", ["RTMP://h/app/Key1", "Rtsp://h/Key1", "HTTPS://h/A.m3u8", "UDP://h:1", "SRT://h:1"])
def test_a_scheme_in_capitals_is_the_same_scheme(text: str) -> None:
    scheme, _, rest = text.partition(":")
    parsers = (parse_source,) if scheme == "HTTPS" else (parse_source, parse_target)
    for parse in parsers:
        assert parse(text).url == f"{scheme.lower()}:{rest}", "libav knows schemes in small letters only"
        assert text in parse(text).secrets, "as it was typed"
    assert parse_pattern(parse_source("PATTERN://96x64@25"))[0] == (96, 64)
    assert parse_target("WHIPS://T0ken@h/a").url == "whips://T0ken@h/a"


def test_an_escaped_secret_is_listed_in_both_forms() -> None:
    assert {"a%2Fb-c", "a/b-c"} <= set(parse_source("srt://h:1?streamid=a%2Fb-c").secrets)


def test_an_address_that_is_pushed_to_shows_no_key_either() -> None:
    address = parse_target("rtmp://example.com/live/k3y-of-mine")
    assert str(address) == "rtmp://example.com/live/***"
    assert "k3y-of-mine" not in repr(address)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("whip://example.com:8889/k3y-of-mine/whip", "whip://example.com:8889/***"),
        ("whips://t0ken@example.com/k3y-of-mine", "whips://example.com/***"),
        ("WHIPS://anna:hunter2222@example.com/k3y-of-mine?auth=t0ken", "whips://example.com/***?***"),
    ],
)
def test_a_whip_address_shows_neither_its_token_nor_its_path(text: str, seen: str) -> None:
    address = parse_target(text)
    assert (str(address), shown(text)) == (seen, seen)
    assert {secret for secret in SECRETS if secret in text} <= set(address.secrets)


@pytest.mark.parametrize(
    "text", ["whip://t0/ken@example.com/a", "whips://t0?ken@example.com/a", "whip://t0#ken@example.com/a"]
)
def test_a_token_that_would_be_read_as_a_host_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(OptionError, match="write / as %2F") as caught:
        parse_target(text)
    assert not [part for part in ("t0", "ken@") if part in f"{caught.value}{shown(text)}"]


def test_nothing_is_read_from_whip() -> None:
    with pytest.raises(OptionError, match="'whip:' can't be read from"):
        parse_source("whip://example.com/a")


@pytest.mark.parametrize(
    "text",
    [
        "concat:a.mp4|/etc/passwd",
        "subfile,,start,0,end,100,,:/etc/passwd",
        "lavfi:testsrc",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "data:video/mp4;base64,AAAA",
        "pipe:0",
        "fd:0",
        "unix:/run/a.sock",
        "crypto+http://example.com/a",
        "cache:http://example.com/a",
        "async:http://example.com/a",
        "tee:a|b",
        "gopher://example.com/a",
        "ftp://example.com/a",
        "tcp://example.com:1",
        "concatf:list",
        "rtp://example.com:1",
        "hls+http://example.com/a.m3u8",
    ],
)
@pytest.mark.parametrize("parse", [parse_source, parse_target])
def test_schemes_that_are_not_named_never_reach_libav(text: str, parse: object) -> None:
    assert is_live(text)
    with pytest.raises(OptionError, match="can't be"):
        parse(text)  # type: ignore[operator]


@pytest.mark.parametrize(
    "text", ["rtmp:///live/key", "http://", "rtsp://anna:hunter2222@/a", "rtmp:live/key", "srt://"]
)
def test_a_url_without_a_host_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="names no host") as caught:
        parse_source(text)
    assert "hunter2222" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("srt://h:1?mode=caller&passfrase=k3y-of-mine", "did you mean passphrase?"),
        ("srt://h:1?Streamid=k3y-of-mine", "did you mean streamid?"),
        ("srt://h:1?k3y-of-mine", "does not know: correct it"),
        ("udp://239.0.0.1:5000?reuse=1&k3y-of-mine=1", "does not know: correct it"),
    ],
)
def test_options_that_libav_would_ignore_are_refused_without_repeating_them(url: str, meant: str) -> None:
    for parse in (parse_source, parse_target):
        with pytest.raises(OptionError, match=re.escape(meant)) as caught:
            parse(url)
        assert "k3y" not in str(caught.value)
        assert "k3y" not in shown(url)
    for scheme in ("udp", "srt"):
        options = SCHEMES[scheme].options
        assert options is not None
        parse_source(f"{scheme}://h:1?" + "&".join(f"{name}=0123456789" for name in sorted(options)))
    parse_source("http://h/a?whatever=1&k3y-of-mine")


@pytest.mark.parametrize("phrase", ["short", "k3y-9char", "k3y%2D9char", "k3y" * 27])
def test_a_passphrase_that_srt_can_not_have_is_refused_without_repeating_it(phrase: str) -> None:
    for parse in (parse_source, parse_target):
        with pytest.raises(OptionError, match="10 to 79") as caught:
            parse(f"srt://h:1?mode=caller&passphrase={phrase}")
        assert phrase not in str(caught.value)
        assert parse(f"srt://h:1?passphrase={'k' * 79}").kind == "srt"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" rtmp://h/live/k3y-of-mine", "begins with whitespace"),
        ("\trtmp:h/live/k3y-of-mine", "begins with whitespace"),
        ("\N{NO-BREAK SPACE}srt://h:1?streamid=k3y-of-mine", "begins with whitespace"),
        ('"rtmp://h/live/k3y-of-mine"', "such as a quote"),
        ("'https://anna:hunter2222@h/'", "such as a quote"),
        ("\N{ZERO WIDTH NO-BREAK SPACE}rtmp://h/live/k3y-of-mine", "does not belong"),
        ("rtmp ://h/live/k3y-of-mine", "no readable scheme"),
        ("rtm p://h/live/k3y-of-mine", "no readable scheme"),
        ("rtmp: //h/live/k3y-of-mine", "no readable scheme"),
        ("rtmp//h/live/k3y-of-mine", "no readable scheme"),
        ("//no-such-folder.example/live/k3y-of-mine", "no readable scheme|does not belong"),
    ],
)
@pytest.mark.parametrize("end", ["", ".mkv"])
def test_an_address_with_a_slip_at_its_beginning_is_no_path_and_shows_no_key(text: str, reason: str, end: str) -> None:
    assert is_live(text + end)
    assert shown(text + end) == "***"
    for parse in (parse_source, parse_target):
        with pytest.raises(OptionError, match=reason) as caught:
            parse(text + end)
        assert not [secret for secret in SECRETS if secret in str(caught.value)]


@pytest.mark.parametrize("text", ["//tmp/a.mkv", "a b/c.mkv", "a//b.mkv", "./rtm p://a.mkv", "'a'.mkv", "- a: b.mkv"])
def test_a_path_with_odd_characters_is_still_one(text: str) -> None:
    assert not is_live(text)
    assert (parse_source(text).url, shown(text)) == (text, text)


@pytest.mark.parametrize(
    "text", ["udp://127.0.0.1", "udp://@", "udp://[::1]", "udp://h:0", "srt://h?streamid=x", "SRT://h/"]
)
def test_a_url_of_a_kind_without_a_usual_port_has_to_name_one(text: str) -> None:
    for parse in (parse_source, parse_target):
        with pytest.raises(OptionError, match="names no port"):
            parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://[::1/a",
        "rtmp://host:port/live/k3y-of-mine",
        "rtmp://host:99999/live/k3y-of-mine",
        "rtmp://host/live/k3y-of-mine live=1",
        "http://host/a\r\nX-Header: k3y-of-mine",
        "srt://host:1?streamid=a'\nfile '/etc/passwd",
    ],
)
def test_a_url_that_is_none_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(OptionError, match="is invalid") as caught:
        parse_source(text)
    assert "k3y" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("RTMP://host/live/key", "rtmp"),
        ("rtmps://host/live/key", "rtmp"),
        ("rtsps://host/a", "rtsp"),
        ("https://host/a.m3u8", "http"),
        ("udp://@:5000", "udp"),
        ("udp://239.0.0.1:5000", "udp"),
        ("srt://[::1]:9000?mode=listener", "srt"),
        ("clips/a.mp4", "file"),
        ("./a:b.mp4", "file"),
        ("C:\\clips\\a.mp4", "file"),
        ("pattern://320x180@25", "pattern"),
    ],
)
def test_sources_have_a_kind(text: str, kind: str) -> None:
    assert parse_source(text).kind == kind


@pytest.mark.parametrize("text", ["rtmp://host/live/a|b", "rtmp://host/live/[f=mpegts]x", "rtmp://host/live/a'b"])
def test_a_target_that_would_mean_more_to_libav_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="characters"):
        parse_target(text)


def test_a_pattern_says_its_size_rate_and_length() -> None:
    assert parse_pattern(parse_source("pattern://320x180@30000/1001?seconds=2.5"))[0] == (320, 180)
    size, rate, seconds = parse_pattern(parse_source("pattern://1280x720"))
    assert (size, rate, seconds) == ((1280, 720), 30, None)


@pytest.mark.parametrize("end", ["", "/", "?seconds=2", "/?seconds=2"])
@pytest.mark.parametrize(("told", "rate"), [("", 30), ("@10", 10), ("@29.97", Fraction("29.97")), ("@25/2", 12.5)])
def test_a_pattern_may_end_like_any_url(told: str, rate: Fraction, end: str) -> None:
    size, read, seconds = parse_pattern(parse_source(f"pattern://160x90{told}{end}"))
    assert (size, read, seconds) == ((160, 90), rate, 2 if "seconds" in end else None)


@pytest.mark.parametrize(
    "text",
    [
        "pattern://",
        "pattern://320",
        "pattern://8x8@25",
        "pattern://9000x9000@25",
        "pattern://320x180@0",
        "pattern://320x180@500",
        "pattern://320x180@1/0",
        "pattern://320x180@1/2/3",
        "pattern://320x180@1.5/2",
        "pattern://320x180@/",
        "pattern://320x180@25//",
        "pattern://320x180@25?seconds=x",
        "pattern://320x180@25?seconds=0",
        "pattern://320x180@25?seconds=nan",
    ],
)
def test_a_pattern_that_is_none_is_refused_at_once(text: str) -> None:
    with pytest.raises(OptionError, match="isn't a pattern"):
        parse_source(text)


@pytest.mark.parametrize(
    ("text", "port", "has_tls"),
    [
        ("rtmp://h.example/a/k", 1935, False),
        ("rtmps://h.example/a/k", 443, True),
        ("rtsp://h.example/k", 554, False),
        ("RTSPS://h.example/k", 322, True),
        ("http://h.example/a.m3u8", 80, False),
        ("https://h.example/a.m3u8", 443, True),
        ("https://h.example:8443/a.m3u8", 8443, True),
        ("srt://h.example:9000", 9000, False),
        ("whip://h.example/k", 80, False),
        ("whips://h.example/k", 443, True),
    ],
)
def test_an_address_leads_to_its_port_or_to_the_usual_one_of_its_scheme(text: str, port: int, has_tls: bool) -> None:
    address = (parse_target if text.startswith("whip") else parse_source)(text)
    assert address.host_and_port == ("h.example", port)
    assert address.scheme is not None
    assert address.scheme.has_tls is has_tls
