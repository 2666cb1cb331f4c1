"""Channels that go down and come up are events; one that never was up is not down."""

from pathlib import Path

from queues import Place
from toy_statuses import statuses

from sr4k.service.channel_status import ChannelMonitor
from sr4k.web.channel_events import ChannelFollower
from sr4k.web.web_service import WebService


class Channels:
    def __init__(self) -> None:
        self.monitors = [ChannelMonitor("one")]
        self.names = frozenset({"one"})
        self.halted: frozenset[str] = frozenset()

    def halt(self, name: str) -> None: ...

    def let_go_on(self, name: str) -> None: ...

    def restart(self, name: str) -> None: ...


def test_a_channel_is_told_of_when_it_comes_up_goes_down_and_is_stopped(tmp_path: Path) -> None:
    place, channels = Place(tmp_path), Channels()
    service = WebService(queue=place.queue, library=place.library, settings=place.settings, channels=channels)
    follower, (monitor,) = ChannelFollower(service), channels.monitors
    follower.look()
    with monitor.running():
        monitor.update(statuses())
        follower.look()
        follower.look()
        monitor.failed("the source is away")
        follower.look()
    channels.monitors.clear()
    follower.look()
    told = [event.data for event in place.queue.events() if event.kind == "channel"]
    assert [each["state"] for each in told] == ["up", "down", "stopped"]
    assert told[1]["reason"] == "the source is away"
