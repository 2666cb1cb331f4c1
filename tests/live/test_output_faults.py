"""One channel through all that can happen to its targets, with real servers. A second target must never notice.

It is one scenario: each step goes on where the one before has ended.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from recordings import assert_whole

from rig.channel import Channel, eventually
from rig.fair_time import Stopwatch
from rig.publish import Publisher
from rig.servers import NginxRtmp, SilentServer
from rig.view import Viewer, measure

KEY = "keythatnobodymaysee"
NEAREST = ("--engine", "nearest")
"""The network that costs least: targets are what is looked at."""


class Scene:
    """Two servers: a publisher on one, a channel from it to the other and to a recording."""

    def __init__(self, near: NginxRtmp, far: NginxRtmp, silent: SilentServer, folder: Path) -> None:
        self.far = far
        self.recording = folder / "out.mkv"
        self.publisher = Publisher(near.url("in"))
        targets = far.url(KEY), silent.url("nothing"), str(self.recording)
        self.channel = Channel(near.url("in"), *targets, options=NEAREST)

    def is_live(self, seconds: float = 15) -> float:
        return eventually(lambda: self.state() == "live", seconds, "live")

    def state(self) -> str:
        return (self.channel.states_out() or [""])[0]

    def connects(self) -> float:
        return self.channel.value("target_connects_total", 'number="1"')

    def all_connects(self) -> float:
        return sum(self.channel.value("target_connects_total", f'number="{k}"') for k in (1, 2, 3))


@pytest.fixture
def scene(server: Callable[[type], Any], tmp_path: Path) -> Iterator[Scene]:
    near, far = server(NginxRtmp), server(NginxRtmp)
    far.kill()
    with SilentServer() as silent:
        made = Scene(near, far, silent, tmp_path)
        with made.publisher, made.channel:
            yield made


def a_target_that_is_not_there_is_waited_for(scene: Scene) -> None:
    eventually(lambda: "the connection was refused" in scene.channel.log, 20)
    scene.far.start()
    scene.is_live()


def what_a_viewer_gets_is_whole_and_fresh(scene: Scene) -> None:
    watch = Stopwatch()
    with Viewer(scene.far.url(KEY)) as viewer:
        eventually(lambda: sum("picture" in line for line in viewer.lines()) > 100, 40)
        seen = measure(scene.publisher.lines(), viewer.lines())
    assert seen.pictures > 80
    assert seen.sizes == ((640, 360),)
    assert (seen.backwards, seen.reordered) == (0, 0)
    assert seen.offset_worst <= 0.045
    assert seen.latency < watch.stretched(0.6)


def a_server_that_dies_is_connected_to_again_with_a_key_frame_that_is_fresh(scene: Scene) -> None:
    before = scene.connects()
    scene.far.kill()
    eventually(lambda: scene.state() == "waiting", 8)
    time.sleep(1)
    watch = Stopwatch()
    scene.far.start()
    with Viewer(scene.far.url(KEY), patience=20) as viewer:
        eventually(lambda: any("picture" in line for line in viewer.lines()), 20)
        first = next(line for line in viewer.lines() if "picture" in line)
        sent = {line["n"]: line["at"] for line in scene.publisher.lines()}
    assert scene.connects() == before + 1
    assert first["key"]
    assert first["at"] - sent[first["picture"]] < watch.stretched(2.1), (
        "a second, and a group of pictures that the server keeps"
    )


def a_server_that_freezes_is_given_up_and_found_again(scene: Scene) -> None:
    time.sleep(2.5)
    before = scene.connects()
    scene.far.freeze()
    eventually(lambda: scene.state() != "live", 25)  # the kernel takes half a megabyte in the server's name
    time.sleep(1)
    scene.far.thaw()
    eventually(lambda: scene.connects() > before and scene.state() == "live", 15)


def the_process_of_a_target_may_be_killed_without_hurting_anybody(scene: Scene) -> None:
    time.sleep(2.5)
    before, frames = scene.all_connects(), scene.channel.value("out_frames_total")
    os.kill(scene.channel.child("sr4k.live.send.push_process"), signal.SIGKILL)
    eventually(lambda: scene.all_connects() > before, 10)
    eventually(lambda: scene.channel.value("out_frames_total") > frames + 10, 2)
    scene.is_live()


def a_server_that_says_nothing_is_given_up_again_and_again(scene: Scene) -> None:
    eventually(lambda: "it did not answer in time" in scene.channel.log or "no answer" in scene.channel.log, 12)
    assert scene.channel.states_out()[1] in ("connecting", "waiting")


def the_recording_never_noticed(scene: Scene) -> None:
    eventually(lambda: scene.channel.states_out()[2] == "live", 15)
    frames = scene.channel.value("out_frames_total")
    eventually(
        lambda: scene.channel.value("out_frames_total") > frames + 75, 30, "3 seconds of a new part, if it has one"
    )
    code, seconds = scene.channel.stop()
    assert code == 0
    assert seconds < 5
    parts = sorted(scene.recording.parent.glob("*.mkv"))
    for part in parts:
        assert_whole(part, scene.channel.watch, (640, 360))
    assert len(parts) <= 2, "a new part if it was its process that was killed"


def no_key_was_told(scene: Scene) -> None:
    assert KEY not in scene.channel.log


STEPS: tuple[Callable[[Scene], None], ...] = (
    a_target_that_is_not_there_is_waited_for,
    what_a_viewer_gets_is_whole_and_fresh,
    a_server_that_dies_is_connected_to_again_with_a_key_frame_that_is_fresh,
    a_server_that_freezes_is_given_up_and_found_again,
    the_process_of_a_target_may_be_killed_without_hurting_anybody,
    a_server_that_says_nothing_is_given_up_again_and_again,
    the_recording_never_noticed,
    no_key_was_told,
)


@pytest.mark.slow(seconds=50)
def test_a_channel_outlives_all_that_can_happen_to_a_target_and_the_other_never_notices(scene: Scene) -> None:
    for step in STEPS:
        step(scene)


@pytest.mark.slow
def test_a_name_that_is_taken_a_wrong_application_and_a_name_that_nobody_knows_are_told(
    server: Callable[[type], Any],
) -> None:
    rtmp = server(NginxRtmp)
    targets = rtmp.url("taken"), rtmp.url("x", app="wrong"), "rtmp://nowhere.invalid/live/key"
    with Publisher(rtmp.url("taken")), Channel("pattern://160x90@25", *targets, options=NEAREST) as channel:
        eventually(lambda: channel.states_out() == ["waiting"] * 3, 25)
        log = channel.log
        assert "somebody else may be publishing under this name" in log or "broke off" in log
        assert "the application or key is wrong" in log


@pytest.mark.slow
def test_a_full_disk_ends_a_recording_and_nothing_else(small_disk: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mkv"
    with Channel("pattern://160x90@25", str(small_disk / "a.mkv"), str(other), options=NEAREST) as channel:
        eventually(lambda: "the disk is full" in channel.log, 40)
        frames = channel.value("out_frames_total")
        eventually(lambda: channel.value("out_frames_total") > frames + 25, 5)
        assert channel.stop()[0] == 0
    assert other.stat().st_size > 200_000


@pytest.mark.slow
def test_a_recording_that_is_removed_is_told_and_begun_again(tmp_path: Path) -> None:
    removed, other = tmp_path / "folder" / "a.mkv", tmp_path / "other.mkv"
    with Channel("pattern://160x90@25", str(removed), str(other), options=NEAREST) as channel:
        eventually(lambda: channel.states_out() == ["live", "live"], 40)
        shutil.rmtree(removed.parent)
        eventually(lambda: "its file a.mkv was removed or moved away; trying again" in channel.log, 20)
        eventually(lambda: channel.value("target_connects_total", 'number="1"') == 2, 20)
        assert channel.value("target_connects_total", 'number="2"') == 1
        assert channel.stop()[0] == 0
    for part in (removed, other):
        with av.open(str(part)) as container:
            assert sum(1 for _ in container.decode(video=0))
