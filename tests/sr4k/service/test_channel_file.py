import traceback
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from sr4k.errors import OptionError, OutputError
from sr4k.jobs.live_job import LiveJob
from sr4k.media.options import Box, ResultSize, Scale
from sr4k.service import channel_file
from sr4k.service.channel_file import load_service, plan, variables
from sr4k.service.endpoint import parse_address
from sr4k.service.preflight_parts import troubles_of_parts
from sr4k.service.redaction import without_passwords

VALID = """
metrics: ":9108"
log_format: json
channels:
  news:
    source: rtmp://in.example/live/${NEWS_KEY}
    targets: [rtmp://out.example/live/key1234, out.m3u8]
    size: 640x360
    sound: false
    options:
      engine: {model: rcan2}
      live: {segments: fmp4}
  lobby:
    source: rtsp://camera.example/one
    targets: [lobby.mkv]
"""
KEYS = {"NEWS_KEY": "abcd1234"}


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., dict[str, LiveJob]]:
    """A function that writes a file and plans its channels."""

    def make(text: str, environment: dict[str, str] = KEYS) -> dict[str, LiveJob]:
        path = tmp_path / "channels.yaml"
        path.write_text(text)
        return plan(load_service(path), tmp_path, environment)

    return make


Planned = Callable[..., dict[str, LiveJob]]


def test_a_file_becomes_jobs(planned: Planned) -> None:
    jobs = planned(VALID)
    news = jobs["news"]
    assert list(jobs) == ["news", "lobby"]
    assert news.source.url == "rtmp://in.example/live/abcd1234"
    assert [str(target) for target in news.targets] == ["rtmp://out.example/live/***", "out.m3u8"]
    assert (news.size, news.sound, jobs["lobby"].sound) == (Box(640, 360), False, True)
    assert (news.preset.engine.model, news.preset.live.segments) == ("rcan2", "fmp4")
    assert jobs["lobby"].preset.engine.model == "luma"


@pytest.mark.skipif(any(Path("/dev/dri").glob("renderD*")), reason="there may be such a GPU")
def test_a_channels_encoder_is_that_of_its_options_and_is_tried_before_it_runs(planned: Planned) -> None:
    options = "options: {engine: {name: nearest}, encode: {codec: hevc, encoder: qsv}}"
    job = planned(f"channels: {{a: {{source: 'pattern://64x64@10', targets: [a.mkv], {options}}}}}")["a"]
    playout = job.playout(None)
    assert (playout.codec, playout.encoder) == ("hevc", "qsv")
    (trouble,) = troubles_of_parts(job)
    assert trouble.startswith("The hevc_qsv encoder can't be opened here (there is no /dev/dri/renderD*")


@pytest.mark.parametrize(
    ("keys", "size"),
    [
        ("scale: 3", Scale(Fraction(3))),
        ("scale: 1.5", Scale(Fraction(3, 2))),
        ("scale: 2", None),
        ("scale: x4", Scale(Fraction(4))),
        ("size: x1.5", Scale(Fraction(3, 2))),
        ("scale: 1440p", Box(2560, 1440, turns=True)),
        ("scale: 4k, fit: pad", Box(3840, 2160, "pad", turns=True)),
    ],
)
def test_a_channel_has_a_size_or_a_scale(planned: Planned, keys: str, size: ResultSize) -> None:
    jobs = planned(f"channels: {{a: {{source: a.mp4, targets: [b.mkv], {keys}}}}}")
    assert jobs["a"].size == size


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("size: 4k, scale: 2", "channels.a: size and scale both say how large the result is: leave one out."),
        ("scale: 99", "channels.a: A scale of 99 isn't supported"),
        ("size: x2, scale: 2", "channels.a: size and scale both say how large the result is: leave one out."),
        ("scale: 3, fit: pad", "channels.a: fit says how frames fit into a size: add a size, such as 4k."),
        ("size: 101x67", "channels.a: '101x67' isn't supported: both sides must be even"),
    ],
)
def test_sizes_that_cant_be_are_refused(planned: Planned, keys: str, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        planned(f"channels: {{a: {{source: a.mp4, targets: [b.mkv], {keys}}}}}")


@pytest.mark.skipif(Path("/dev/accel").exists(), reason="there may be an NPU")
def test_a_channels_device_is_tried_before_it_runs(planned: Planned) -> None:
    options = "options: {engine: {device: npu}}"
    job = planned(f"channels: {{a: {{source: 'pattern://64x64@10', targets: [a.mkv], {options}}}}}")["a"]
    (trouble,) = troubles_of_parts(job)
    assert trouble.startswith("OpenVINO finds no device npu here: it needs an Intel NPU")


def test_channels_share_the_cpus(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_file, "granted_cpus", lambda: 9)
    assert [job.cpus for job in planned(VALID).values()] == [4, 4]


def test_a_preset_is_found_beside_the_file(planned: Planned, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "description: x\n"
        "graph: {workers: {all: [decode, preprocess, infer, reconstruct, convert], out: [encode]}}\n"
        "engine: {threads: 3}\n"
    )
    jobs = planned("channels: {a: {source: a.mp4, targets: [b.mkv], config: mine.yaml}}")
    assert jobs["a"].preset.engine.threads == 3


def test_what_comes_from_the_environment_is_a_secret_wherever_it_stands(planned: Planned) -> None:
    text = "channels: {a: {source: 'https://cdn.example/${TOKEN}/live.m3u8', targets: [b.mkv]}}"
    source = planned(text, {"TOKEN": "t0k3n99"})["a"].source
    assert source.url == "https://cdn.example/t0k3n99/live.m3u8"
    assert str(source) == "https://cdn.example/***/live.m3u8"
    assert "t0k3n99" in source.secrets


def test_two_dollars_are_one(planned: Planned) -> None:
    source = planned("channels: {a: {source: 'rtmp://in.example/live/a$$b$${HOME}', targets: [b.mkv]}}", {})["a"].source
    assert source.url == "rtmp://in.example/live/a$b${HOME}"


def test_the_variables_of_a_file_are_known(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(VALID)
    assert variables(load_service(path)) == {"NEWS_KEY"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("metrics:", "metrix:", r"channels\.yaml: metrix: "),
        ("log_format: json", "log_format: xml", r"log_format: "),
        ("    sound: false", "    sond: false", r"channels\.news\.sond: "),
        ("targets: [lobby.mkv]", "targets: []", r"channels\.lobby\.targets: "),
        ("targets: [lobby.mkv]", "targets: lobby.mkv", r"channels\.lobby\.targets: "),
        ("  lobby:", "  the lobby:", r"channels\.the lobby: must have 1 to 64 letters"),
        ("rtsp://camera", "gopher://camera", r"^channels\.lobby: 'gopher:' can't be read from"),
        ("lobby.mkv", "concat:a|b", r"^channels\.lobby: 'concat:' can't be written to"),
        ("640x360", "641x360", r"^channels\.news: '641x360' isn't supported"),
        ("{model: rcan2}", "{modl: rcan2}", r"^channels\.news: options: engine\.modl: "),
        ("{model: rcan2}", "5", r"^channels\.news: options: engine: "),
        ("{segments: fmp4}", "{segments: mp5}", r"^channels\.news: options: live\.segments: "),
        ("engine: {model: rcan2}", "engin: {model: rcan2}", r"^channels\.news: options: engin: "),
        ("    size: 640x360", "    config: liv", r"^channels\.news: There is no preset '.*liv'"),
        ("{model: rcan2}", "{pixels: bgr}", r"^channels\.news: .*engine\.pixels"),
        ("  lobby:", "  news:", r"channels\.yaml is not valid YAML in line \d+: the key news occurs twice"),
        ("${NEWS_KEY}", "$NEWS_KEY", r"^channels\.news: A \$ must begin \$\{NAME\}"),
        ("${NEWS_KEY}", "${NEWS_KEY:-none}", r"^channels\.news: A \$ must begin \$\{NAME\}.*defaults aren't supported"),
        ("lobby.mkv", "out.m3u8", r"^channels\.lobby: out\.m3u8 is a target of news already"),
        ("${NEWS_KEY}", "${NO_KEY}", r"^channels\.news: .* needs the environment variable NO_KEY: set it"),
    ],
)
def test_what_is_wrong_is_named(planned: Planned, old: str, new: str, words: str) -> None:
    assert old in VALID
    with pytest.raises(OptionError, match=words):
        planned(VALID.replace(old, new, 1))


def test_an_empty_variable_is_a_missing_one(planned: Planned) -> None:
    with pytest.raises(OptionError, match="needs the environment variable NEWS_KEY: set it"):
        planned(VALID, {"NEWS_KEY": ""})


@pytest.mark.parametrize("text", ["channels: [", "channels: {a: &b", "a\x00b", "a: b: rtmp://in.example/live/key1234"])
def test_what_is_no_yaml_is_told_without_being_quoted(planned: Planned, text: str) -> None:
    with pytest.raises(OptionError, match="not valid YAML") as caught:
        planned(text)
    assert "key1234" not in str(caught.value)


def test_a_wrong_address_is_told_without_its_secrets(planned: Planned) -> None:
    with pytest.raises(OptionError) as caught:
        planned(VALID.replace("key1234", "key12|34"))
    assert "key12" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "target", "value", "words"),
    [
        ("a.mp4", "${T}", "topsecretvalue", "${T} can't be a recording"),
        ("pattern://${T}", "x.mkv", "topsecretvalue", "pattern://${T} isn't a pattern"),
        ("${T}", "x.mkv", "data:topsecret", "${T} can't be read from"),
        ("a.mp4", "${T}", "tcp:topsecret", "${T} can't be written to"),
        ("a.mp4", "${T}", "topsecret:abc", "${T} can't be a recording"),
        ("a.mp4", "rtmp://h/${T}/x|y", "topsecretvalue", "rtmp://h/${T}/*** has characters"),
        ("rtmp://h/app/${T}", "x.mkv", "topsecret value", "rtmp://h/app/*** is invalid"),
        ("rtmp://${T}/app/key", "x.mkv", "topsecret:value", "rtmp://${T}/app/*** is invalid"),
        ("rtmp://${T}", "x.mkv", "/topsecret", "rtmp://${T} names no host"),
        ("a.mp4", "${T}/x.mkv", "concat:secret", "${T}/x.mkv can't be written to"),
    ],
)
def test_what_comes_from_the_environment_is_not_quoted_where_it_makes_an_address_wrong(
    planned: Planned, source: str, target: str, value: str, words: str
) -> None:
    with pytest.raises(OptionError) as caught:
        planned(f"channels: {{a: {{source: '{source}', targets: ['{target}']}}}}", {"T": value})
    assert words in str(caught.value)
    assert "secret" not in "".join(traceback.format_exception(caught.value)).replace("test_what", "")


def test_a_folder_from_the_environment_that_can_not_be_made_is_not_quoted(planned: Planned) -> None:
    jobs = planned("channels: {a: {source: 'pattern://160x90@10', targets: ['/proc/${T}/x.mkv']}}", {"T": "topsecret"})
    with pytest.raises(OutputError) as caught:
        jobs["a"].run()
    assert "/proc/*** can't be created" in str(caught.value)


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(
    "value", ["[" * 5000, "{a: " * 5000, "9" * 5000, "2024-13-45", "!!float x", "!!python/none x", "{[1]: 2}"]
)
def test_yaml_that_can_not_be_taken_in_is_one_clear_error(planned: Planned, value: str) -> None:
    with pytest.raises(OptionError, match="not valid YAML"):
        planned(f"channels:\n  a:\n    source: {value}\n")


def test_a_file_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"none\.yaml can't be read: No such file"):
        load_service(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("channels: {1: {source: a.mp4, targets: [b.mkv]}}", "channels.1: must be text: put it in quotes."),
        (
            "channels: {yes: {source: a.mp4, targets: [b.mkv]}}",
            "channels: YAML reads this name as true or false: put it in quotes",
        ),
        ("channels: {a: {source: a.mp4, targets: b.mkv}}", "channels.a.targets: must be a list"),
        ("channels: [a]", "channels: must be a mapping"),
    ],
)
def test_a_value_of_another_type_is_told_in_the_words_of_yaml(planned: Planned, text: str, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        planned(text)
    assert words in str(caught.value)


_URL = "https://anna:hunter2222@example.com/k3y-of-mine"


@pytest.mark.parametrize(
    "lines",
    [
        f"options: {{live: {{slate: '{_URL}'}}}}",
        f"options: {{engine: {{weights: '{_URL}'}}}}",
        f"options: {{encode: {{preset: '{_URL}'}}}}",
        f"options: {{'{_URL}': {{a: 1}}}}",
        f"options: {{live: {{'{_URL}': 1}}}}",
        f"config: '{_URL}'",
        f"config: 'a/{_URL}'",
        f"size: '{_URL}'",
        f"fit: '{_URL}'",
        f"'{_URL}': 1",
    ],
)
def test_an_address_where_it_does_not_belong_is_not_repeated(lines: str, tmp_path: Path) -> None:
    path = tmp_path / "channels.yaml"
    path.write_text(f"channels:\n  a:\n    source: pattern://64x48@10\n    targets: [a.mkv]\n    {lines}\n")
    with pytest.raises(OptionError) as told:
        plan(load_service(path), tmp_path, {})
    assert "hunter2222" not in str(told.value)
    assert "k3y-of-mine" not in str(told.value)


def test_nor_is_it_where_the_machine_is_asked() -> None:
    told = without_passwords(f"There is no model '{_URL}'. Known: luma.")
    assert told == "There is no model 'https://***'. Known: luma."
    with pytest.raises(OptionError) as caught:
        parse_address(_URL)
    assert "hunter2222" not in str(caught.value)


def test_a_size_and_rate_of_a_pattern_are_not_taken_for_a_user() -> None:
    words = "pattern://foo isn't a pattern: write pattern://1280x720@30."
    assert without_passwords(words) == words
    assert "pw" not in without_passwords("rtsp://me:pw@host/a and pattern://64x48@9")


def test_channels_that_feed_each_other_are_refused_as_a_loop(planned: Planned) -> None:
    def text(last: str) -> str:
        ways = {"a": ("x", "y"), "b": ("y", "z"), "c": ("z", last), "d": ("x", "w")}
        return "channels:\n" + "".join(
            f"  {name}: {{source: 'rtmp://h/app/k3y-{source}', targets: ['rtmp://h/app/k3y-{target}']}}\n"
            for name, (source, target) in ways.items()
        )

    assert len(planned(text("v"))) == 4
    with pytest.raises(OptionError, match=r"^channels\.a: its result comes back to it by .*, a loop") as told:
        planned(text("x"))
    assert "k3y" not in str(told.value)
