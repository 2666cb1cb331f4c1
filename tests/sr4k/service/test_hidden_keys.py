"""The file of channels as it may be shown: keys are hidden, stay as they are, and don't follow a changed address."""

import pytest
import yaml

from sr4k.errors import OptionError
from sr4k.live.address import parse_target
from sr4k.service.hidden_keys import hidden, revealed
from sr4k.service.redaction import Redaction

TEXT = """# our channels; the old one was rtmp://old.example/app/0ldK3y77
channels:
  news:
    source: rtsp://viewer:pa55word@camera.example/stream1  # do not touch
    targets:
      - "rtmp://a.example/app/streamkey,1"
      - rtmp://a.example/app/streamkey2
      - rtmp://b.example/app/${NEWS_B_KEY}
  lobby: {source: 'pattern://96x64@25', targets: [rtmps://c.example/app/streamkey3, /srv/streamkey4x/a.m3u8]}
"""
SECRETS = "0ldK3y77", "pa55word", "stream1", "streamkey,1", "streamkey2", "streamkey3", "streamkey4x"


def redact(text: str) -> str:
    """Known is also the value of a variable, wherever it is written."""
    return Redaction(parse_target("rtmp://d.example/app/streamkey4x")).text(text)


def test_what_is_shown_holds_no_key_and_unchanged_becomes_the_same_file() -> None:
    found = hidden(TEXT, redact)
    assert not [secret for secret in SECRETS if secret in found.text]
    assert "rtmp://b.example/app/${NEWS_B_KEY}" in found.text and "do not touch" not in found.text
    assert "pattern://96x64@25" in found.text and '"rtmp://a.example/app/***4"' in found.text
    assert revealed(found.text, found) == TEXT
    assert not [secret for secret in SECRETS if secret in repr(found)]


COMMENTS = """#!SECRET
# -----
channels:  # key for youtube: SECRET
  one:#SECRET
    source: &a # SECRET
      rtmp://a.example/app/streamkey2
    size: >-  # SECRET
      720p
    targets: [ # passphrase: SECRET
      *a,# SECRET
      "/srv/#1.mkv"#SECRET
    ]
... # SECRET
""".replace("one:#", "one:  #")


def test_comments_are_hidden_whole_wherever_they_are_and_stay_in_the_file() -> None:
    found = hidden(COMMENTS, redact)
    assert "SECRET" not in found.text and "streamkey2" not in found.text and "SECRET" not in repr(found)
    assert "# -----" in found.text and '"/srv/#1.mkv"' in found.text and "&a # ***" in found.text
    assert yaml.safe_load(found.text)["channels"]["one"]["targets"][0] == "rtmp://a.example/app/***5"
    assert revealed(found.text, found) == COMMENTS
    more = found.text.replace("# ***2", "# new: ***2, ***99")
    assert "# new: key for youtube: SECRET, ***99\n" in revealed(more, found)
    with pytest.raises(OptionError, match="begins with %"):
        hidden(f"%SECRET SECRET\n---\n{COMMENTS}", redact)


def test_keys_move_with_their_addresses_into_other_lines_brackets_and_comments() -> None:
    found = hidden(TEXT, redact)
    lines = found.text.splitlines(keepends=True)
    moved = "".join([*lines[:5], lines[6].replace("- ", "# - "), lines[5], *lines[7:]])
    assert "# - rtmp://a.example/app/streamkey2\n" in revealed(moved, found)
    flow = found.text.replace("[rtmps://c.example/app/***6,", "[rtmp://a.example/app/***4,")
    assert "[rtmp://a.example/app/streamkey,1," not in revealed(flow, found)
    assert '"rtmp://a.example/app/streamkey,1"' in revealed(flow, found)


@pytest.mark.parametrize(
    "edit",
    [
        ("a.example/app/***4", "evil.example/app/***4"),
        ("app/***5", "app/***9"),
        ("app/***5", "x/***5"),
        ("news:", "'***1':"),
    ],
)
def test_a_hidden_key_can_not_be_sent_elsewhere(edit: tuple[str, str]) -> None:
    found = hidden(TEXT, redact)
    assert edit[0] in found.text
    with pytest.raises(OptionError, match="is hidden, and its address has changed") as refused:
        revealed(found.text.replace(*edit), found)
    assert not [secret for secret in SECRETS if secret in str(refused.value)]
