"""Several channels in one service, with toys in place of graphs."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from toy_statuses import statuses

from rig.channel import eventually
from rig.fair_time import Stopwatch
from sr4k.errors import InputError, OptionError
from sr4k.live.backoff import Backoff
from sr4k.service import run_channels as service_module
from sr4k.service.channel_status import ChannelMonitor
from sr4k.service.run_channels import Service


class ToyJob:
    """A job that runs until a stop is requested, or fails a given number of times."""

    def __init__(self, fails: int = 0, error: Exception | None = None, ends: bool = False) -> None:
        self.fails, self.error, self.ends = fails, error or InputError("the source broke."), ends
        self.runs = 0
        self.sends = True
        self.stopped = threading.Event()

    def run(self, *, on_status: Callable[..., None], stop_requests: Callable[[], int], **_told: Any) -> None:
        self.runs += 1
        if self.sends:
            on_status(statuses())
        if self.runs <= self.fails:
            raise self.error
        while not self.ends and not stop_requests():
            time.sleep(0.01)
        self.stopped.set()


class Running:
    """A service in a thread of its own."""

    def __init__(self, kind: type[Service] = Service, /, **jobs: ToyJob) -> None:
        self.requests = self.rounds = 0
        self.wanted: list[dict[str, ToyJob]] = []
        self.service = kind(jobs, stop_requests=lambda: self.requests)
        self.thread = threading.Thread(target=self.service.run, args=(self.between,))
        self.thread.start()
        until(lambda: len(self.service.monitors) == len(jobs) or not self.thread.is_alive())

    def between(self) -> None:
        self.rounds += 1
        while self.wanted:
            self.service.change(self.wanted.pop())

    @property
    def monitors(self) -> dict[str, ChannelMonitor]:
        return {monitor.status.name: monitor for monitor in self.service.monitors}

    def stop(self) -> None:
        self.requests = 1
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "wait", lambda _self: 0.02)
    monkeypatch.setattr(service_module, "_TICK", 0.01)


def until(true: Callable[[], bool]) -> None:
    eventually(true, 60)


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("error", [InputError("the source broke."), ZeroDivisionError("a bug")])
def test_a_channel_that_fails_is_started_again_and_the_others_go_on(error: Exception) -> None:
    bad, good = ToyJob(fails=5, error=error), ToyJob()
    service = Running(bad=bad, good=good)
    until(lambda: service.monitors["bad"].status.ready and bad.runs == 6)
    assert service.monitors["bad"].status.restarts == 5
    assert (good.runs, service.monitors["good"].status.restarts) == (1, 0)
    service.stop()
    assert good.stopped.is_set()


@pytest.mark.usefixtures("_soon")
def test_what_can_not_go_well_is_told_once_and_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    bad, good = ToyJob(fails=9, error=OptionError("The encoder can't be opened.")), ToyJob()
    bad.sends = False
    service = Running(bad=bad, good=good)
    until(lambda: service.monitors["bad"].status.phase == "ended")
    time.sleep(0.1)
    service.stop()
    assert bad.runs == 1
    assert service.monitors["bad"].status.error == "The encoder can't be opened"
    assert caplog.messages.count("The encoder can't be opened; not started again.") == 1
    assert good.stopped.is_set()


@pytest.mark.usefixtures("_soon")
def test_what_failed_is_told_with_the_name_of_the_channel(caplog: pytest.LogCaptureFixture) -> None:
    service = Running(bad=ToyJob(fails=1))
    until(lambda: service.monitors["bad"].status.ready)
    service.stop()
    (told,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert told.getMessage().startswith("the source broke; starting again in")


def test_a_stop_cuts_the_wait_for_the_next_try_short() -> None:
    service = Running(bad=ToyJob(fails=9))
    until(lambda: service.monitors["bad"].status.phase == "waiting")
    assert service.monitors["bad"].status.error == "the source broke"
    watch = Stopwatch()
    service.stop()
    assert watch.fair < 0.5


@pytest.mark.usefixtures("_soon")
def test_a_source_that_ends_ends_its_channel_alone() -> None:
    short, long = ToyJob(ends=True), ToyJob()
    service = Running(short=short, long=long)
    until(lambda: service.monitors["short"].status.phase == "ended")
    assert service.thread.is_alive()
    service.stop()
    assert short.runs == 1


@pytest.mark.usefixtures("_soon")
def test_when_all_have_ended_so_has_the_service() -> None:
    service = Running(a=ToyJob(ends=True), b=ToyJob(ends=True))
    service.thread.join(10)
    assert not service.thread.is_alive()


def test_waits_are_short_again_after_a_steady_run(monkeypatch: pytest.MonkeyPatch) -> None:
    resets: list[bool] = []
    monkeypatch.setattr(Backoff, "wait", lambda _self: 0.0)
    monkeypatch.setattr(Backoff, "reset", lambda _self: resets.append(True))
    monkeypatch.setattr(service_module, "_STEADY", 0.0)
    service = Running(bad=ToyJob(fails=2))
    until(lambda: len(resets) == 2)
    service.stop()


@pytest.mark.usefixtures("_soon")
def test_a_change_ends_begins_and_replaces_channels_and_leaves_the_others_alone() -> None:
    stays, goes, old, new, fresh = (ToyJob() for _ in range(5))
    service = Running(stays=stays, goes=goes, changes=old)
    until(lambda: old.runs == 1)
    untouched = service.monitors["stays"]
    assert service.service.differences({"stays": stays, "changes": new, "comes": fresh}) == {
        "added": ["comes"],
        "changed": ["changes"],
        "removed": ["goes"],
    }
    service.wanted.append({"stays": stays, "changes": new, "comes": fresh})
    until(lambda: set(service.monitors) == {"stays", "changes", "comes"} and new.runs == fresh.runs == 1)
    assert goes.stopped.is_set()
    assert old.stopped.is_set()
    assert service.monitors["stays"] is untouched
    assert (stays.runs, stays.stopped.is_set()) == (1, False)
    service.stop()
    assert new.stopped.is_set()


@pytest.mark.usefixtures("_soon")
def test_what_is_new_waits_for_what_it_may_share_a_target_with() -> None:
    old, new = ToyJob(), ToyJob()
    new_began_after: list[bool] = []
    run = new.run
    new.run = lambda **told: (new_began_after.append(old.stopped.is_set()), run(**told))[1]  # type: ignore[method-assign]
    service = Running(old=old)
    service.wanted.append({"new": new})
    until(lambda: new.runs == 1)
    assert new_began_after == [True]
    service.stop()


@pytest.mark.usefixtures("_soon")
def test_a_channel_that_has_come_to_its_end_is_not_begun_again_by_a_change_elsewhere() -> None:
    ended, other = ToyJob(ends=True), ToyJob()
    service = Running(ended=ended, other=other)
    until(lambda: service.monitors["ended"].status.phase == "ended")
    fresh = ToyJob()
    service.wanted.append({"ended": ended, "other": other, "fresh": fresh})
    until(lambda: fresh.runs == 1)
    assert ended.runs == 1
    service.stop()


@pytest.mark.usefixtures("_soon")
def test_a_channel_that_does_not_heed_a_change_is_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "_DRAIN", 0.05)
    asked: list[int] = []

    class Deaf(ToyJob):
        def run(self, *, on_status: Callable[..., None], stop_requests: Callable[[], int], **_told: Any) -> None:  # noqa: ARG002
            while stop_requests() < 2:
                time.sleep(0.01)
            asked.append(stop_requests())

    other = ToyJob()
    service = Running(deaf=Deaf(), other=other)
    service.wanted.append({"other": other})
    until(lambda: set(service.monitors) == {"other"})
    assert asked == [2]
    service.stop()


@pytest.mark.slow
@pytest.mark.usefixtures("_soon")
def test_failures_that_go_on_are_told_ten_times_and_then_seldom(caplog: pytest.LogCaptureFixture) -> None:
    bad = ToyJob(fails=40)
    service = Running(bad=bad)
    until(lambda: bad.runs == 41)
    service.stop()
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 10
    assert (vars(told[0])["event"], vars(told[0])["reason"]) == ("restart", "the source broke")


@pytest.mark.usefixtures("_soon")
def test_one_channel_is_stopped_started_and_restarted_and_the_others_run_on() -> None:
    one, other = ToyJob(), ToyJob()
    service = Running(one=one, other=other)
    until(lambda: one.runs == 1 and other.runs == 1)
    service.service.halt("one")
    until(lambda: list(service.monitors) == ["other"])
    assert one.stopped.is_set()
    assert (service.service.halted, service.service.names) == ({"one"}, {"one", "other"})
    service.service.let_go_on("one")
    until(lambda: one.runs == 2)
    service.service.restart("one")
    until(lambda: one.runs == 3)
    assert service.service.halted == frozenset()
    service.service.restart("one")
    until(lambda: one.runs == 4)
    assert (other.runs, other.stopped.is_set()) == (1, False)
    service.stop()


class Held(Service):
    """A service whose thread is held up between two looks at its channels, until those that are to end have ended."""

    def _tend(self) -> None:
        super()._tend()
        for channel in self._channels.values():
            if channel.asked is not None:
                channel.thread.join(60)


@pytest.mark.usefixtures("_soon")
def test_a_service_goes_on_with_its_new_channels_whenever_the_last_old_one_ends() -> None:
    old, new = ToyJob(), ToyJob()
    service = Running(Held, only=old)
    service.wanted.append({"only": new})
    until(lambda: new.runs == 1 or not service.thread.is_alive())
    assert service.thread.is_alive()
    service.stop()
    assert (old.runs, new.runs) == (1, 1)


@pytest.mark.slow
@pytest.mark.usefixtures("_soon")
def test_a_channel_that_was_stopped_is_started_once_by_a_restart() -> None:
    one, other = ToyJob(), ToyJob()
    service = Running(one=one, other=other)
    service.service.halt("one")
    until(lambda: list(service.monitors) == ["other"])
    one.stopped.clear()
    service.service.restart("one")
    until(lambda: one.runs > 1)
    later = service.rounds + 5
    until(lambda: service.rounds > later)
    assert (one.runs, one.stopped.is_set()) == (2, False)
    service.stop()


@pytest.mark.usefixtures("_soon")
def test_a_channel_for_which_there_is_no_thread_is_started_when_there_is_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused: list[str] = []
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "sr4k-second" and len(refused) < 3:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    first, second = ToyJob(ends=True), ToyJob()
    service = Running(first=first, second=second)
    until(lambda: second.runs == 1)
    assert first.runs == 1
    assert len(refused) == 3
    lines = [record.getMessage() for record in caplog.records if "no thread" in record.getMessage()]
    assert len(lines) == 3
    assert "starting again in" in lines[0]
    service.stop()
