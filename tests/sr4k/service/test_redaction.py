import logging
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from clips import MakeClip
from toy_statuses import SECRETS, SOURCE, TARGET, addresses
from typer.testing import CliRunner

from sr4k.cli.main import app
from sr4k.live.address import parse_source
from sr4k.service import redaction as redaction_module
from sr4k.service.redaction import Redaction


def lines(*records: logging.LogRecord) -> str:
    """Return the lines that a handler writes."""
    redaction, form = Redaction(*addresses()), logging.Formatter("%(name)s %(threadName)s %(message)s")
    return "\n".join(form.format(record) for record in records if redaction.filter(record))


def record(text: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("a", logging.ERROR, __file__, 1, text, args, None)
    vars(made).update(extra)
    return made


def test_secrets_go_from_messages_and_their_arguments() -> None:
    text = lines(record(f"can't open {SOURCE}"), record("%s, key %s of %d", TARGET, "streamkey2", 7))
    assert not [secret for secret in SECRETS if secret in text]
    assert "of 7" in text


def test_a_url_becomes_what_may_be_shown_of_it() -> None:
    assert Redaction(*addresses()).text(f"{TARGET} is away") == "rtmp://out.example/app/*** is away"


def test_secrets_that_two_threads_learn_at_once_are_both_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    redaction, may_go_on = Redaction(), threading.Event()

    def held_up(pattern: str) -> "re.Pattern[str]":
        if threading.current_thread() is first:
            may_go_on.wait(0.2)  # until the other has learnt its secret, unless that waits
        return re.compile(pattern)

    monkeypatch.setattr(redaction_module, "re", SimpleNamespace(**{**vars(re), "compile": held_up}))
    first = threading.Thread(target=redaction.hide, args=(parse_source("rtmp://a.example/live/f1rst-key-of-all"),))
    first.start()
    redaction.hide(parse_source("rtmp://b.example/live/s3cond-key-of-all"))
    may_go_on.set()
    first.join()
    assert redaction.text("f1rst-key-of-all s3cond-key-of-all") == "*** ***"


def test_secrets_go_from_exceptions_and_their_causes() -> None:
    try:
        try:
            raise OSError(5, "input/output error", SOURCE)
        except OSError as err:
            raise ValueError(f"no {TARGET}") from err
    except ValueError:
        text = lines(record("failed", exc_info=sys.exc_info()))
    assert "ValueError" in text
    assert "OSError" in text
    assert not [secret for secret in SECRETS if secret in text]


def test_secrets_go_from_whatever_else_a_record_bears() -> None:
    marked = record("x", threadName=f"pull {TARGET}", name=SOURCE)
    assert not [secret for secret in SECRETS if secret in lines(marked)]


@pytest.mark.parametrize("hidden", ["s3://user:pa/ss@films/a.mkv", "s3://films/a.mkv?X-Amz-Signature=abc", "s3://a@b"])
def test_of_an_object_bucket_and_name_are_shown_and_credentials_are_not(hidden: str) -> None:
    redaction = Redaction()
    redaction.hide_typed(["s3://films/in/a film.mkv", "s3://", hidden])
    text = "s3://films/in/a film.mkv: write s3://bucket/name.mkv"
    assert redaction.text(text) == text
    assert redaction.text(f"no {hidden}") == "no s3://***"


def test_of_a_cluster_the_head_is_shown_and_a_password_is_not() -> None:
    redaction = Redaction()
    redaction.hide_typed(
        ["ray://", "ray://head.example:10001", "ray://[fd00::5]:10001", "ray://user:GEHEIM@head:10001"]
    )
    text = "ray://head.example:10001 and ray://[fd00::5]:10001"
    assert redaction.text(text) == text
    assert redaction.text("ray://user:GEHEIM@head:10001") == "ray://***"


@pytest.mark.parametrize("secret", ["p%40ss%2Fword", r"pass\word", "pässword"])
def test_other_spellings_of_a_secret_are_hidden(secret: str) -> None:
    redaction = Redaction(parse_source(f"rtmp://user:{secret}@in.example/live/x"))
    for spelling in (secret, repr(secret)[1:-1], secret.encode("unicode_escape").decode()):
        assert redaction.text(f"<{spelling}>") == "<***>"


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    redaction = Redaction(
        parse_source("rtmp://a.example/live/ab-cd-12"), parse_source("rtmp://a.example/live/ab-cd-123")
    )
    assert redaction.text("key ab-cd-123") == "key ***"


@pytest.mark.parametrize("word", ["live", "true", "channels", "picture", "connecting", "1234", "cam1", "Test"])
@pytest.mark.parametrize(
    "address", ["rtmp://h.example/app/{}", "rtmp://h.example/{}/", "https://h.example/a.m3u8?mode={}"]
)
def test_a_key_that_is_an_ordinary_word_leaves_that_word_alone_elsewhere(address: str, word: str) -> None:
    url = address.format(word)
    redaction = Redaction(parse_source(url))
    sentence = f"{word}: there was sound, but no {word}, in {word}.mkv, is {word}"
    assert redaction.text(sentence) == sentence
    marked = record(f"no {url}", channel=word, name=f"sr4k.{word}.intake")
    assert redaction.filter(marked)
    assert (marked.name, vars(marked)["channel"]) == (f"sr4k.{word}.intake", word)
    assert word not in marked.getMessage().replace(f"{word}.", "")


@pytest.mark.parametrize(
    ("address", "said", "written"),
    [
        ("rtmp://h.example/app/live", "app/live is busy", "app/*** is busy"),
        ("rtmp://h.example/app/live", "h.example:1935/app/live?a", "h.example:1935/app/***?a"),
        ("https://h.example/a?mode=live&x=1", "GET /b?mode=live", "GET /b?mode=***"),
        ("rtsp://anna:fish@h.example/a", "rtsp://anna:fish@h.example/b", "rtsp://***:***@h.example/b"),
        ("rtmp://h.example/app/live", "app/livestream", "app/livestream"),
    ],
)
def test_an_ordinary_word_is_hidden_where_it_stands_as_in_its_address(address: str, said: str, written: str) -> None:
    assert Redaction(parse_source(address)).text(said) == written


def test_a_long_word_is_hidden_everywhere() -> None:
    assert Redaction(parse_source("rtmp://h.example/app/topsecretvalue")).text("<topsecretvalue>") == "<***>"


def test_without_addresses_nothing_changes() -> None:
    assert Redaction().text("abc") == "abc"


def test_ps_shows_no_secret_and_neither_do_children() -> None:
    code = """
import subprocess, sys
from pathlib import Path
from sr4k.service.redaction import hide_command_line
sys.argv[0] = "/bin/sr4k-stream"
hide_command_line()
assert not {"av", "numpy", "pydantic", "typer"} & sys.modules.keys()
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print(Path("/proc/self/cmdline").read_text() + Path(f"/proc/{child.pid}/cmdline").read_text())
child.kill(); child.wait(); child.stdin.close()
"""
    refused = "rtmp://anna:streamkey2@h/a\nb"
    arguments = [TARGET, f"{TARGET}/", "--slate", f"--x={TARGET}", "gopher://streamkey2", refused, "out.mkv"]
    shown = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True).stdout
    address = "rtmp://out.example/app/***"
    assert f"sr4k-stream {address} {address} --slate --x={address} gopher://*** rtmp://*** out.mkv" in shown
    assert "streamkey2" not in shown


@pytest.mark.parametrize("entry", ["main", "stream_main"])
def test_a_command_hides_its_arguments_before_anything_slow_is_imported(entry: str) -> None:
    code = f"""
import sys
import sr4k.cli, sr4k.service.redaction
sr4k.service.redaction.hide_command_line = lambda: sys.exit("late" if "typer" in sys.modules else "first")
sr4k.cli.{entry}()
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.strip() == "first"


SECRET_URL = "rtmp://anna:hunter2222@h.example/app/k3y4567890"


@pytest.mark.parametrize("url", [SECRET_URL, SECRET_URL.replace("rtmp", "rtm p"), f" {SECRET_URL}"])
@pytest.mark.parametrize(
    "command",
    [
        "sr4k stream in.mp4 out.mp4 --config",
        "sr4k stream in.mp4 out.mp4 -c{}",
        "sr4k stream in.mp4 out.mp4 --slate={}",
        "sr4k stream in.mp4 out.mp4 --weights={} --engine openvino",
        "sr4k probe",
        "sr4k compare in.mp4",
        "sr4k eval",
        "sr4k eval . --fid",
        "sr4k serve",
        "sr4k sample",
        "sr4k bench --config",
        "sr4k quantize --model luma --out out {} pictures",
    ],
)
def test_no_path_that_is_a_url_is_repeated(
    command: str, url: str, make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip("in.mp4", frames=1)
    monkeypatch.chdir(tmp_path)
    words = command.split() if "{}" in command else [*command.split(), "{}"]
    monkeypatch.setattr(sys, "argv", [word.format(url) for word in words])
    done = CliRunner().invoke(app, sys.argv[1:])
    assert done.exit_code not in (0, 70), done.output
    assert "hunter2222" not in done.output
    assert "k3y4567890" not in done.output


@pytest.mark.parametrize("command", ["sample a.mp4", "bench --part", "stream a.mp4 b.mp4 --at-once", "", "doctor"])
def test_nor_is_a_url_that_no_command_takes(command: str) -> None:
    done = CliRunner().invoke(app, [*command.split(), SECRET_URL])
    assert done.exit_code == 2, done.output
    assert "hunter2222" not in done.output
    assert "k3y4567890" not in done.output
