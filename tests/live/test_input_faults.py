"""One channel through every fault of its source, with real servers; a recording shows the output.

The tests are one scenario: each step continues where the previous one ended.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recordings import assert_whole

from rig.channel import Channel, eventually
from rig.faults import Proxy
from rig.publish import Publisher
from rig.servers import NginxRtmp

KEY = "keythatnobodymaysee"
NEAREST = ("--engine", "nearest")
"""The network that costs least: the source is what is looked at."""


class Scene:
    """A server, a proxy before it, and a channel that pulls through the proxy and records."""

    def __init__(self, server: NginxRtmp, folder: Path) -> None:
        self.server = server
        self.proxy = Proxy(server.port)
        self.recording = folder / "out.mkv"
        self.channel: Channel
        self.publisher: Publisher | None = None

    def publish(self, size: tuple[int, int] = (160, 90), **wishes: Any) -> Publisher:
        self.silence()
        self.publisher = Publisher(self.server.url(KEY), size=size, **wishes)
        return self.publisher

    def silence(self) -> None:
        if self.publisher is not None:
            self.publisher.kill()
            self.publisher = None

    def is_live(self, seconds: float = 12) -> float:
        before = self.frames()
        return eventually(lambda: self.channel.state_in() == "live" and self.frames() > before + 5, seconds, "live")

    def frames(self) -> float:
        return self.channel.value("in_frames_total")

    def is_away(self, seconds: float = 6) -> float:
        return eventually(lambda: self.channel.state_in() == "away", seconds, "away")


@pytest.fixture
def scene(server: Callable[[type], Any], tmp_path: Path) -> Iterator[Scene]:
    made = Scene(server(NginxRtmp), tmp_path)
    made.server.kill()
    with made.proxy, Channel(made.proxy.url(KEY), str(made.recording), options=NEAREST) as made.channel:
        yield made
        made.silence()


def a_server_that_is_not_there_is_waited_for(scene: Scene) -> None:
    eventually(lambda: "trying again" in scene.channel.log, 10)
    assert scene.channel.process.poll() is None
    scene.server.start()


def a_publisher_that_is_not_there_is_waited_for(scene: Scene) -> None:
    eventually(lambda: "nobody publishes there" in scene.channel.log, 15)
    scene.publish()
    scene.is_live(20)
    eventually(lambda: scene.channel.states_out() == ["live"], 15)


def a_publisher_that_goes_and_comes_back_otherwise_is_taken_up(scene: Scene) -> None:
    time.sleep(2.5)  # long enough to count as a good connection
    scene.silence()
    scene.is_away()
    scene.publish(size=(240, 136), rate=30)
    scene.is_live()


def another_publisher_at_once_is_taken_up_whatever_its_shape_and_clock(scene: Scene) -> None:
    time.sleep(2.5)
    scene.publish(size=(120, 90), start=1000.0)
    scene.is_live()


def a_frozen_publisher_is_missed_within_five_seconds(scene: Scene) -> None:
    time.sleep(2.5)
    assert scene.publisher is not None
    scene.publisher.freeze()
    assert scene.is_away(5.5) <= 5.2
    scene.publisher.thaw()
    scene.publish()
    scene.is_live()


def a_connection_that_is_cut_is_made_again(scene: Scene) -> None:
    time.sleep(2.5)
    connects = scene.channel.value("in_connects_total")
    scene.proxy.cut()
    eventually(lambda: scene.channel.value("in_connects_total") > connects, 10)


def a_connection_that_is_open_and_dead_is_given_up(scene: Scene) -> None:
    time.sleep(2.5)
    scene.proxy.hold = True
    assert scene.is_away(5.5) <= 5.2
    scene.proxy.cut()
    scene.proxy.hold = False
    scene.is_live()


def broken_bytes_break_nothing(scene: Scene) -> None:
    time.sleep(2)
    scene.proxy.corrupt = 0.05
    time.sleep(6)
    scene.proxy.corrupt = 0.0
    connects = scene.channel.value("in_connects_total")
    scene.proxy.cut()
    eventually(lambda: scene.channel.value("in_connects_total") > connects, 20)
    scene.is_live(20)
    assert scene.channel.process.poll() is None


def the_reader_may_be_killed(scene: Scene) -> None:
    time.sleep(2.5)
    os.kill(scene.channel.child("sr4k.live.receive.pull_process"), signal.SIGKILL)
    eventually(lambda: "its process was killed" in scene.channel.log, 5)
    scene.is_live()


def what_went_out_is_one_unbroken_stream_of_one_size_in_step(scene: Scene) -> None:
    time.sleep(2)
    code, seconds = scene.channel.stop()
    assert code == 0
    assert seconds < 5
    assert_whole(scene.recording, scene.channel.watch, (320, 180))


def no_key_was_told(scene: Scene) -> None:
    assert KEY not in scene.channel.log


STEPS: tuple[Callable[[Scene], None], ...] = (
    a_server_that_is_not_there_is_waited_for,
    a_publisher_that_is_not_there_is_waited_for,
    a_publisher_that_goes_and_comes_back_otherwise_is_taken_up,
    another_publisher_at_once_is_taken_up_whatever_its_shape_and_clock,
    a_frozen_publisher_is_missed_within_five_seconds,
    a_connection_that_is_cut_is_made_again,
    a_connection_that_is_open_and_dead_is_given_up,
    broken_bytes_break_nothing,
    the_reader_may_be_killed,
    what_went_out_is_one_unbroken_stream_of_one_size_in_step,
    no_key_was_told,
)


@pytest.mark.slow(seconds=70)
def test_a_channel_outlives_all_that_can_happen_to_its_source(scene: Scene) -> None:
    for step in STEPS:
        step(scene)
