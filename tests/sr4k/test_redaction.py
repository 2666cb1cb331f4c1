import logging
import subprocess
import sys

import pytest
from toy_statuses import SECRETS, SOURCE, TARGET, addresses

from sr4k.live.address import parse_source
from sr4k.redaction import Redaction


def lines(*records: logging.LogRecord) -> str:
    """What a handler writes of them."""
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


@pytest.mark.parametrize("secret", ["p%40ss%2Fword", r"pass\word", "pässword"])
def test_other_spellings_of_a_secret_are_hidden(secret: str) -> None:
    redaction = Redaction(parse_source(f"rtmp://user:{secret}@in.example/live/x"))
    for spelling in (secret, repr(secret)[1:-1], secret.encode("unicode_escape").decode()):
        assert redaction.text(f"<{spelling}>") == "<***>"


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    redaction = Redaction(parse_source("rtmp://a.example/live/abcd"), parse_source("rtmp://a.example/live/abcdefgh"))
    assert redaction.text("key abcdefgh") == "key ***"


def test_without_addresses_nothing_changes() -> None:
    assert Redaction().text("abc") == "abc"


def test_ps_shows_no_secret_and_neither_do_children() -> None:
    code = """
import subprocess, sys
from pathlib import Path
from sr4k.live.address import parse_target
from sr4k.redaction import Redaction, hide_command_line
hide = Redaction(parse_target(sys.argv[1])).text
hide_command_line(["sr4k-stream", *map(hide, sys.argv[1:])])
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print(Path("/proc/self/cmdline").read_text() + Path(f"/proc/{child.pid}/cmdline").read_text())
child.kill(); child.wait(); child.stdin.close()
"""
    shown = subprocess.run([sys.executable, "-c", code, TARGET], capture_output=True, text=True, check=True).stdout
    assert "sr4k-stream rtmp://out.example/app/***" in shown
    assert "streamkey2" not in shown
