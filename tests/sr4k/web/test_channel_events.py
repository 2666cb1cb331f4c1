"""Channels that go down and come up are events; one that never was up is not down."""

from pathlib import Path

from queues import Place
from toy_statuses import statuses
from web_serving import Runs, desk_of

from sr4k.service.channel_status import ChannelMonitor
from sr4k.web.channel_events import ChannelFollower


def test_a_channel_is_told_of_when_it_comes_up_goes_down_and_is_stopped(tmp_path: Path) -> None:
    place, runs = Place(tmp_path), Runs(ChannelMonitor("one"))
    follower, (monitor,) = ChannelFollower(place.queue, desk_of(runs)), runs.monitors
    follower.look()
    with monitor.running():
        monitor.update(statuses())
        follower.look()
        follower.look()
        monitor.failed("the source is away")
        follower.look()
        monitor.restarted()
        monitor.update(statuses())
        follower.look()
    assert monitor.status.phase == "ended"
    follower.look()
    runs.monitors.clear()
    runs.halt("one")
    follower.look()
    told = [event.data for event in place.queue.events() if event.kind == "channel"]
    assert [each["state"] for each in told] == ["up", "down", "up", "stopped"]
    assert told[1]["reason"] == "the source is away"
