"""Sources with strange tracks and clocks, pushed through whole channels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from holding import held

from rig.channel import Channel, eventually
from rig.fair_time import Stopwatch
from rig.publish import Publisher
from rig.recording import Recorded, events, inspect
from rig.servers import NginxRtmp, NodeMediaServer
from rig.view import Viewer, measure

pytestmark = pytest.mark.slow

CHEAP = ("--engine", "nearest")
"""The network that costs least: sources are what is looked at."""

WRAP = 2**31 / 1000
"""Seconds after which FLV's 31-bit timestamps begin again."""


def recorded(
    server: Any, path: Path, seconds: float, *, app: str = "live", until: int = 0, **wishes: Any
) -> tuple[Recorded, float]:
    """Record a channel's output; return also how load slowed it down, as a factor.

    Args:
        server: Where it comes from.
        path: Of the recording.
        seconds: How long it is at least.
        app: Of the server.
        until: Number of the publisher's picture that is waited for.
        wishes: For the publisher.
    """
    key = path.stem
    with (
        Publisher(server.url(key, app), size=(160, 90), **wishes) as publisher,
        Channel(server.url(key, app), str(path), options=CHEAP) as channel,
    ):
        eventually(lambda: channel.states_out() == ["live"], 60)
        goal = max(until, len(publisher.lines()) + 25 * seconds)
        eventually(lambda: len(publisher.lines()) >= goal, 60)
        assert channel.stop()[0] == 0
        assert path.stat().st_size, channel.log
    return inspect(path), channel.watch


@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        ("jump", {"jumps": ((150, 40.0),)}),
        ("leap", {"jumps": ((150, 3.0), (190, 0.5))}),
        ("stuck", {"stuck": ((150, 30),)}),
        ("wrap", {"start": WRAP - 7}),
    ],
)
def test_clocks_that_misbehave_do_not_show(
    server: Callable[[type], Any], tmp_path: Path, name: str, wishes: dict[str, Any]
) -> None:
    out, watch = recorded(server(NginxRtmp), tmp_path / f"{name}.mkv", 3, until=225, **wishes)
    assert out.backwards == 0
    assert out.longest_gap < watch.stretched(1.6)
    assert out.apart < watch.stretched(1.0)
    assert out.worst_offset <= 0.04 * watch.slowdown


def test_a_source_without_sound_gets_silence(server: Callable[[type], Any], tmp_path: Path) -> None:
    out, watch = recorded(server(NginxRtmp), tmp_path / "mute.mkv", 3, audio=False)
    assert out.backwards == 0
    assert out.apart < watch.stretched(0.5)
    assert events(tmp_path / "mute.mkv")[1] == []


def test_video_that_comes_late_is_waited_for(server: Callable[[type], Any], tmp_path: Path) -> None:
    out, watch = recorded(server(NginxRtmp), tmp_path / "late.mkv", 4, app="plain", video_after=6.0)
    assert out.backwards == 0
    assert out.worst_offset <= 0.04 * watch.slowdown


@pytest.mark.parametrize(("codec", "preset"), [("hevc", "ultrafast"), ("av1", "12")])
def test_other_codecs_come_and_go_by_enhanced_rtmp(server: Callable[[type], Any], codec: str, preset: str) -> None:
    rtmp = server(NodeMediaServer)
    with (
        Publisher(rtmp.url("in"), codec=codec) as publisher,
        Channel(rtmp.url("in"), rtmp.url("out"), options=("--codec", codec, "--preset", preset, *CHEAP)) as channel,
    ):
        eventually(lambda: channel.states_out() == ["live"], 60)
        with Viewer(rtmp.url("out")) as viewer:
            eventually(lambda: sum("picture" in line for line in viewer.lines()) > 100, 60)
            seen = measure(publisher.lines(), viewer.lines())
        assert channel.stop()[0] == 0
    assert seen.pictures > 25
    assert seen.sizes == ((640, 360),)
    assert (seen.backwards, seen.reordered) == (0, 0)
    assert seen.offset_worst <= 0.04


def test_what_the_machine_cant_hold_is_made_less_and_stays_fresh(tmp_path: Path) -> None:
    slow = held(seconds=0.04)  # no machine holds 60 a second then
    out = str(tmp_path / "out.mkv")
    with Channel("pattern://320x180@60", out, options=("--engine", "nearest"), environment=slow) as channel:
        eventually(lambda: channel.value("ladder_rung") >= 1, 60)
        watch, goal = Stopwatch(), channel.value("out_frames_total") + 100
        eventually(lambda: channel.value("out_frames_total") > goal, 60)
        assert channel.value("in_age_seconds") < watch.stretched(0.5)
        assert "can't keep up" in channel.log
        assert channel.stop()[0] == 0
    assert inspect(tmp_path / "out.mkv").backwards == 0
