"""One channel through all that can happen to its source, with real servers; a recording tells what came out.

The tests share the channel, and run in their order.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.channel import Channel, eventually
from rig.faults import Proxy
from rig.publish import Publisher
from rig.recording import inspect
from rig.servers import NginxRtmp

KEY = "keythatnobodymaysee"


class Stage:
    """A server, a proxy before it, and a channel that pulls through the proxy and records."""

    def __init__(self, server: NginxRtmp, folder: Path) -> None:
        self.server = server
        self.proxy = Proxy(server.port)
        self.recording = folder / "out.mkv"
        self.channel: Channel
        self.publisher: Publisher | None = None

    def publish(self, **wishes: Any) -> Publisher:
        self.silence()
        self.publisher = Publisher(self.server.url(KEY), **wishes)
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


@pytest.fixture(scope="module")
def stage(server: Callable[[type], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(server(NginxRtmp), tmp_path_factory.mktemp("live"))
    made.server.kill()
    with made.proxy, Channel(made.proxy.url(KEY), str(made.recording)) as made.channel:
        yield made
        made.silence()


def test_a_server_that_is_not_there_is_waited_for(stage: Stage) -> None:
    eventually(lambda: "trying again" in stage.channel.log, 10)
    assert stage.channel.process.poll() is None
    stage.server.start()


def test_a_publisher_that_is_not_there_is_waited_for(stage: Stage) -> None:
    eventually(lambda: "nobody publishes there" in stage.channel.log, 15)
    stage.publish()
    stage.is_live(20)
    eventually(lambda: stage.channel.states_out() == ["live"], 15)


def test_a_publisher_that_goes_and_comes_back_otherwise_is_taken_up(stage: Stage) -> None:
    time.sleep(2.5)  # long enough to count as a good connection
    stage.silence()
    stage.is_away()
    stage.publish(size=(480, 270), rate=30)
    stage.is_live()


def test_another_publisher_at_once_is_taken_up_whatever_its_shape_and_clock(stage: Stage) -> None:
    time.sleep(2.5)
    stage.publish(size=(240, 180), start=1000.0)
    stage.is_live()


def test_a_frozen_publisher_is_missed_within_five_seconds(stage: Stage) -> None:
    time.sleep(2.5)
    assert stage.publisher is not None
    stage.publisher.freeze()
    assert stage.is_away(5.5) <= 5.2
    stage.publisher.thaw()
    stage.publish()
    stage.is_live()


def test_a_connection_that_is_cut_is_made_again(stage: Stage) -> None:
    time.sleep(2.5)
    connects = stage.channel.value("in_connects_total")
    stage.proxy.cut()
    eventually(lambda: stage.channel.value("in_connects_total") > connects, 10)


def test_a_connection_that_is_open_and_dead_is_given_up(stage: Stage) -> None:
    time.sleep(2.5)
    stage.proxy.hold = True
    assert stage.is_away(5.5) <= 5.2
    stage.proxy.cut()
    stage.proxy.hold = False
    stage.is_live()


def test_broken_bytes_break_nothing(stage: Stage) -> None:
    time.sleep(2)
    stage.proxy.corrupt = 0.05
    time.sleep(6)
    stage.proxy.corrupt = 0.0
    stage.proxy.cut()
    stage.is_live(20)
    assert stage.channel.process.poll() is None


def test_the_reader_may_be_killed(stage: Stage) -> None:
    time.sleep(2.5)
    os.kill(stage.channel.child("sr4k.live.pull"), signal.SIGKILL)
    eventually(lambda: "its process was killed" in stage.channel.log, 5)
    stage.is_live()


def test_what_went_out_is_one_unbroken_stream_of_one_size_in_step(stage: Stage) -> None:
    time.sleep(2)
    code, seconds = stage.channel.stop()
    assert code == 0
    assert seconds < 5
    assert_whole(stage.recording)


def test_no_key_was_told(stage: Stage) -> None:
    assert KEY not in stage.channel.log


def assert_whole(path: Path) -> None:
    """Both tracks unbroken from end to end, pictures of one size, sound in step with them."""
    recorded = inspect(path)
    assert recorded.backwards == 0
    assert recorded.longest_gap < 0.7
    assert recorded.apart < 1
    assert recorded.sizes == ((640, 360),)
    assert recorded.offsets, "no flash has a beep"
    assert recorded.worst_offset <= 0.04
