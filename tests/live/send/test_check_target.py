"""Checks of targets before anything is sent."""

from dataclasses import replace
from pathlib import Path

import pytest

from sr4k.errors import OptionError, Sr4kError
from sr4k.jobs.live_job import LiveJob
from sr4k.live.address import parse_source, parse_target
from sr4k.live.send.check_target import check_stream, check_target
from sr4k.media.options import Codec

SOURCE = parse_source("pattern://64x48@10")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("live.m3u8", "./live.m3u8"),
        ("live.m3u8", "{here}/live.m3u8"),
        ("live.m3u8", "a/../live.m3u8"),
        ("live.m3u8", "link/live.m3u8"),
        ("live.m3u8", "live.M3U8"),
        ("a/rec.mkv", "a//rec.mkv"),
        ("rtmp://host/app/key", "RTMP://Host:1935/app/key/"),
        ("rtmp://host/app/a%2Db", "rtmp://host/app/a-b"),
    ],
)
def test_two_spellings_of_one_target_are_one_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one: str, other: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    targets = parse_target(one), parse_target(other.format(here=tmp_path))
    assert targets[0].place == targets[1].place
    with pytest.raises(OptionError, match="twice"):
        LiveJob(SOURCE, targets)


@pytest.mark.parametrize(
    ("one", "other"),
    [("a.m3u8", "b.m3u8"), ("a.m3u8", "a.ts"), ("rtmp://h/app/a", "rtmp://h/app/b"), ("udp://h:1", "udp://h:2")],
)
def test_others_are_two(one: str, other: str) -> None:
    LiveJob(SOURCE, (parse_target(one), parse_target(other)))


def test_a_folder_that_can_be_made_is_no_fault_and_one_that_cant_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_target(parse_target(str(tmp_path / "new" / "er" / "a.mkv")))
    with pytest.raises(Sr4kError, match=r"can't be created: .*/file is a file, not a folder. Remove it, or choose"):
        check_target(parse_target(str(tmp_path / "file" / "a.mkv")))


def test_whip_carries_h264(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr4k.live.send.check_target.find_spec", lambda _name: True)
    check_stream(parse_target("whip://host/a"), "h264", {"bf": "0"})


def test_the_package_that_whip_needs_is_named_where_libav_makes_no_certificates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sr4k.live.send.check_target.find_spec", lambda _name: None)
    monkeypatch.setattr("sr4k.live.send.check_target.version", lambda _name: "19.0.2")
    check_stream(parse_target("whip://host/a"), "h264", {})
    monkeypatch.setattr("sr4k.live.send.check_target.version", lambda _name: "18.1.0")
    with pytest.raises(OptionError, match=r"pip install 'sr4k-stream\[whip\]'"):
        check_stream(parse_target("whip://host/a"), "h264", {})


@pytest.mark.parametrize(
    ("codec", "options", "told"),
    [("hevc", {}, "choose the codec h264, not hevc"), ("av1", {}, "h264"), ("h264", {"bf": "2"}, "B-frames")],
)
def test_what_whip_cant_carry_is_told_in_words_and_is_no_fault_elsewhere(
    codec: Codec, options: dict[str, str], told: str
) -> None:
    with pytest.raises(OptionError, match=told) as caught:
        check_stream(parse_target("whip://t0ken@host/secret"), codec, options)
    assert str(caught.value).startswith("whip://host/*** is a WHIP target")
    check_stream(parse_target("rtmp://host/app/key"), codec, options)


@pytest.mark.slow
def test_one_bad_target_ends_nothing_and_bad_targets_alone_are_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PATH", "")
    bad = parse_target(str(tmp_path / "file" / "a.mkv")), parse_target("srt://127.0.0.1:1")
    job = LiveJob(parse_source(f"{SOURCE.url}?seconds=1"), bad)
    with pytest.raises(Sr4kError, match="can't be created"):
        job.run()
    good = tmp_path / "new" / "a.mkv"
    endless = replace(job, source=parse_source(SOURCE.url), targets=(*bad, parse_target(str(good))))
    found = endless.run(stop_requests=lambda: int(good.exists() and good.stat().st_size > 0))
    targets = found.playout.targets
    assert [target.connects for target in targets] == [0, 0, 1]
    assert [target.state for target in targets] == ["ended"] * 3
    assert targets[2].bytes > 0
