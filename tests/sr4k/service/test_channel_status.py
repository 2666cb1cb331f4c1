import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from toy_statuses import statuses, target

from sr4k.jobs.watchdog import Watchdog
from sr4k.pipeline import WorkerStatus
from sr4k.service import channel_status
from sr4k.service.channel_status import ChannelMonitor, LiveStatus


def test_a_status_is_read_off_the_reports() -> None:
    graph = LiveStatus.of(statuses())
    assert (graph.intake.frames, graph.intake.dropped["late"]) == (100, 4)
    assert graph.playout.latency == {"median": 0.1, "p95": 0.2}
    assert [each.connects for each in graph.playout.targets] == [2, 2]
    assert (graph.queues, graph.cpu) == ({"upscale": 3, "playout": 0}, {"upscale": 4.5, "playout": 2.5})
    assert graph.busy == {"intake": 0.5, "infer": 2.5, "playout": 1.5}
    assert graph.worked == {"intake": 100, "infer": 80, "playout": 90}


def test_every_key_may_be_missing_and_others_may_be_there() -> None:
    reports = {"intake": {"later": 1}, "infer": None}
    bare = {name: replace(status, reports=reports) for name, status in statuses().items()}
    assert LiveStatus.of(bare).intake.state == "connecting"
    assert not LiveStatus.of({}).live


def test_frames_of_several_lanes_are_added_up() -> None:
    upscale = statuses()["upscale"]
    lanes = {name: replace(upscale, worker=name) for name in ("upscale 1", "upscale 2")}
    assert LiveStatus.of(lanes).worked["infer"] == 160


@pytest.mark.parametrize(
    ("intake", "playout", "live"),
    [
        ({}, {}, True),
        ({"state": "away"}, {}, False),
        ({}, {"targets": [target(), target(state="waiting")]}, False),
        ({}, {"targets": []}, False),
    ],
)
def test_live_means_in_and_out_to_every_target(intake: dict, playout: dict, live: bool) -> None:
    assert LiveStatus.of(statuses(intake, playout)).live is live


def test_a_channel_is_ready_only_while_its_graph_runs() -> None:
    monitor = ChannelMonitor("news")
    assert not monitor.status.ready
    with monitor.running():
        assert (monitor.status.up, monitor.status.ready) == (True, False)
        monitor.update(statuses())
        assert monitor.status.ready
    assert (monitor.status.up, monitor.status.ready, monitor.status.phase) == (False, False, "ended")
    monitor.failed("the engine broke.")
    assert monitor.status.as_dict()["error"] == "the engine broke."


def test_a_graph_that_tells_nothing_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_status, "_SILENCE", 0.05)
    monitor = ChannelMonitor("news")
    with monitor.running():
        monitor.update(statuses())
        time.sleep(0.1)
        assert not monitor.status.ready


class Graph:
    """A channel whose workers send made-up statuses, on a clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.running = 1000.0, 0.0
        monkeypatch.setattr(channel_status, "time", SimpleNamespace(monotonic=lambda: self.now, time=time.time))
        monkeypatch.setattr(channel_status, "Watchdog", lambda: Watchdog(clock=lambda: self.now))
        self.monitor = ChannelMonitor("news")
        self.latest: dict[str, WorkerStatus] = {}

    def go_on(self, seconds: float, *silent: str) -> None:
        for _ in range(round(10 * seconds)):
            self.now += 0.1
            self.running += 0.1
            new = statuses(
                {"frames": round(25 * self.running)}, {"frames": round(25 * self.running)}, running=self.running
            )
            self.latest |= {name: status for name, status in new.items() if name not in silent}
            self.monitor.update(self.latest)


def test_a_channel_one_of_whose_processes_is_frozen_is_not_ready_within_seconds_and_again_when_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = Graph(monkeypatch)
    with graph.monitor.running():
        graph.go_on(2)
        assert graph.monitor.status.ready
        graph.go_on(4, "playout")
        told = graph.monitor.status.as_dict()
        assert not told["ready"]
        assert told["error"].startswith("the playout process hangs: nothing was heard of it for ")
        assert [out["state"] for out in told["out"]] == ["hangs", "hangs"]
        assert told["in"]["state"] == "live"
        assert ("channel", "hangs") in graph.monitor.status.marks.failures
        graph.go_on(0.2)
        assert graph.monitor.status.ready


def test_what_broke_within_a_run_is_told_until_there_are_new_workers() -> None:
    monitor = ChannelMonitor("news")
    with monitor.running():
        monitor.update(statuses())
        monitor.failed("the playout process (stages: playout) was killed by SIGKILL")
        told = monitor.status.as_dict()
        assert (told["ready"], told["up"], told["phase"]) == (False, False, "waiting")
        assert told["error"] == "the playout process (stages: playout) was killed by SIGKILL"
        assert "out" not in told
        assert ("channel", "crashed") in monitor.status.marks.failures
        monitor.restarted()
        monitor.update({})
        monitor.update(statuses())
        told = monitor.status.as_dict()
        assert (told["ready"], told["restarts"], "error" in told) == (True, 1, False)


def test_restarts_are_counted_those_within_a_run_too() -> None:
    monitor = ChannelMonitor("news")
    with monitor.running():
        monitor.update(statuses())
        assert monitor.status.restarts == 0
        monitor.restarted()
        monitor.update({})  # new workers, which have told nothing yet
        monitor.update(statuses())
        assert monitor.status.restarts == 1
    with monitor.running():
        assert monitor.status.restarts == 2
