"""A channel that pushes by WHIP to a WebRTC server, through all that can happen to it.

It is one scenario: each step goes on where the one before has ended.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from needed import required

from rig.channel import Channel, eventually
from rig.fair_time import Stopwatch
from rig.processes import command_of
from rig.publish import Publisher
from rig.recording import inspect
from rig.servers import NginxRtmp, free_port
from rig.view import measure
from rig.whip_server import WhipServer, require_aiortc

TOKEN = "tokenthatnobodymaysee"
WRONG = "wrongtokenthatnobodymaysee"


class Scene:
    """A publisher, and a channel from it to a WHIP server, to the same with a wrong token, and to a recording."""

    def __init__(self, near: NginxRtmp, folder: Path) -> None:
        self.port = free_port()
        self.recording = folder / "out.mkv"
        self.publisher = Publisher(near.url("in"), size=(160, 90))
        wrong = f"whip://{WRONG}@127.0.0.1:{self.port}/another"
        right = f"whip://{TOKEN}@127.0.0.1:{self.port}/live/whip"
        targets = right, wrong, str(self.recording)
        self.channel = Channel(near.url("in"), *targets, options=("--engine", "nearest"))
        self.server: WhipServer | None = None

    def start_server(self) -> WhipServer:
        self.server = WhipServer(self.port, token=TOKEN)
        return self.server

    def is_live(self) -> None:
        eventually(lambda: self.states()[:1] == ["live"], 20, "live")

    def states(self) -> list[str]:
        return self.channel.states_out()

    def connects(self) -> float:
        return self.channel.value("target_connects_total", 'number="1"')


@pytest.fixture
def scene(server: Callable[[type], Any], tmp_path: Path) -> Iterator[Scene]:
    required(require_aiortc)
    made = Scene(server(NginxRtmp), tmp_path)
    with made.publisher, made.channel:
        yield made
    if made.server is not None:
        made.server.kill()


def a_server_that_is_not_there_is_waited_for_longer_each_time(scene: Scene) -> None:
    told = f"whip://127.0.0.1:{scene.port}/***: the connection was refused; trying again in "
    eventually(lambda: scene.channel.log.count(told) >= 4, 40)  # of both targets
    assert scene.states()[2] == "live"


def a_server_gets_pictures_and_sound_in_time_and_in_step_in_one_session(scene: Scene) -> None:
    watch, server = Stopwatch(), scene.start_server()
    scene.is_live()
    eventually(lambda: sum("picture" in line for line in server.lines()) > 6 * 25, 30)
    assert scene.connects() == 1, "it ends sessions that don't answer its checks of consent"
    seen = measure(scene.publisher.lines(), server.lines())
    assert seen.sizes == ((320, 180),)
    assert (seen.backwards, seen.reordered, seen.unreadable) == (0, 0, 0)
    assert seen.offset_worst <= 0.045
    assert seen.latency < watch.stretched(0.6)


def a_wrong_token_is_told_in_one_line_and_hurts_nobody(scene: Scene) -> None:
    told = "it was rejected: the token or password is wrong or missing (the server answered 401)"
    eventually(lambda: told in scene.channel.log, 20)
    eventually(lambda: scene.states() == ["live", "waiting", "live"], 10)
    assert scene.channel.states()["out"][1]["reason"] == told


def a_server_that_dies_is_connected_to_again_with_a_key_frame(scene: Scene) -> None:
    before = scene.connects()
    assert scene.server is not None
    scene.server.kill()
    eventually(lambda: scene.states()[0] != "live", 10)
    server = scene.start_server()
    scene.is_live()
    eventually(lambda: any("picture" in line for line in server.lines()), 10)
    assert scene.connects() == before + 1
    assert next(line for line in server.lines() if "picture" in line)["key"]


def at_the_end_the_session_is_deleted_and_the_recording_is_whole(scene: Scene) -> None:
    time.sleep(1)
    code, seconds = scene.channel.stop()
    assert (code, seconds < 5) == (0, True)
    assert scene.server is not None
    assert scene.server.asked("DELETE") == 1
    recorded = inspect(scene.recording)
    assert (recorded.backwards, recorded.sizes) == (0, ((320, 180),))
    assert recorded.longest_gap < scene.channel.watch.stretched(0.7)


def no_token_is_shown(scene: Scene) -> None:
    titles = [command_of(process) for process in (scene.channel.process.pid, *scene.channel.children())]
    for told in (scene.channel.log, scene.channel.metrics(), str(scene.channel.states()), *titles):
        assert not [secret for secret in (TOKEN, WRONG, "another") if secret in told]


STEPS: tuple[Callable[[Scene], None], ...] = (
    a_server_that_is_not_there_is_waited_for_longer_each_time,
    a_server_gets_pictures_and_sound_in_time_and_in_step_in_one_session,
    a_wrong_token_is_told_in_one_line_and_hurts_nobody,
    a_server_that_dies_is_connected_to_again_with_a_key_frame,
    no_token_is_shown,
    at_the_end_the_session_is_deleted_and_the_recording_is_whole,
)


@pytest.mark.slow(seconds=40)
def test_a_channel_pushes_by_whip_whatever_happens_to_the_server_and_no_other_target_notices(scene: Scene) -> None:
    for step in STEPS:
        step(scene)
