"""What a page sees and does of live channels while others see and do things of them too."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy_statuses import statuses, target
from web_serving import Runs, desk_of

from sr4k.service import channel_desk
from sr4k.service.channel_status import ChannelMonitor
from sr4k.service.endpoint import readiness
from sr4k.service.prometheus import registry_of
from sr4k.service.redaction import Redaction
from sr4k.service.run_channels import Ends


def monitor_of(name: str) -> ChannelMonitor:
    """Return the monitor of a channel that runs, with two targets."""
    monitor = ChannelMonitor(name)
    monitor.update(statuses())
    return monitor


def test_two_targets_that_are_turned_off_at_once_are_both_off(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(monitor_of("one"))
    desk, may_go_on = desk_of(runs), threading.Event()

    def held_up(wishes: Any, **changes: Any) -> Any:
        if threading.current_thread() is first:
            may_go_on.wait(0.2)  # until the other has been heard, unless that waits
        return replace(wishes, **changes)

    monkeypatch.setattr(channel_desk, "replace", held_up)
    first = threading.Thread(target=desk.switch_target, args=("one", 1, False))
    first.start()
    desk.switch_target("one", 2, False)
    may_go_on.set()
    first.join()
    assert runs.steerings["one"].wishes.off == {1, 2}


def test_a_channel_that_a_reload_removes_meanwhile_is_left_out() -> None:
    runs = Runs(monitor_of("one"))
    runs.names |= {"gone"}
    assert [channel["name"] for channel in desk_of(runs).overview()] == ["one"]


def test_a_channel_that_gets_another_playlist_is_shown_with_its_old_targets_until_it_has_ended(tmp_path: Path) -> None:
    class Reloaded(Runs):
        def ends(self, name: str) -> Ends:  # noqa: ARG002
            return Ends("a source", (target().target, "other", str(tmp_path)), {0: tmp_path, 1: tmp_path, 2: tmp_path})

    (channel,) = desk_of(Reloaded(monitor_of("one"))).overview()
    assert [out.get("playlist") for out in channel["out"]] == [True, None]


class Leaving(ChannelMonitor):
    """A monitor whose channel is removed while it is looked at."""

    def __init__(self, among: list[ChannelMonitor]) -> None:
        super().__init__("a")
        self.update(statuses())
        self._among = among

    @property
    def status(self) -> Any:
        if self in self._among:
            self._among.remove(self)
        return super().status


def test_no_channel_is_skipped_while_another_is_removed() -> None:
    monitors: list[ChannelMonitor] = []
    monitors += [Leaving(monitors), monitor_of("b")]
    assert set(readiness(monitors, Redaction())["channels"]) == {"a", "b"}
    monitors.clear()
    registry = registry_of(monitors)
    monitors += [Leaving(monitors), monitor_of("b")]
    told = {sample.labels.get("channel") for family in registry.collect() for sample in family.samples}
    assert {"a", "b"} <= told
