import time
from dataclasses import replace

import pytest
from toy_statuses import outlet, statuses

from sr4k import live_status
from sr4k.live_status import ChannelMonitor, LiveStatus


def test_a_status_is_read_off_the_reports() -> None:
    graph = LiveStatus.of(statuses())
    assert (graph.intake.frames, graph.intake.dropped["late"]) == (100, 4)
    assert graph.playout.latency == {"median": 0.1, "p95": 0.2}
    assert [o.connects for o in graph.playout.outlets] == [2, 2]
    assert (graph.queues, graph.cpu) == ({"upscale": 3, "playout": 0}, {"upscale": 4.5, "playout": 2.5})
    assert graph.busy == {"intake": 0.5, "infer": 2.5, "playout": 1.5}
    assert graph.worked == {"intake": 100, "infer": 80, "playout": 90}


def test_every_key_may_be_missing_and_others_may_be_there() -> None:
    bare = {name: replace(status, reports={"intake": {"later": 1}, "infer": {}}) for name, status in statuses().items()}
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
        ({}, {"outlets": [outlet(), outlet(state="waiting")]}, False),
        ({}, {"outlets": []}, False),
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
    monkeypatch.setattr(live_status, "_SILENCE", 0.05)
    monitor = ChannelMonitor("news")
    with monitor.running():
        monitor.update(statuses())
        time.sleep(0.1)
        assert not monitor.status.ready


def test_restarts_are_counted_those_within_a_run_too() -> None:
    monitor = ChannelMonitor("news")
    with monitor.running():
        monitor.update(statuses())
        assert monitor.status.restarts == 0
        monitor.update({})  # new workers, which have told nothing yet
        monitor.update(statuses())
        assert monitor.status.restarts == 1
    with monitor.running():
        assert monitor.status.restarts == 2


def test_the_output_rate_is_that_of_the_last_seconds() -> None:
    monitor = ChannelMonitor("news")
    with monitor.running():
        began = time.monotonic()
        monitor.update(statuses(playout={"frames": 0}))
        time.sleep(0.2)
        monitor.update(statuses(playout={"frames": 5}))
        assert monitor.status.fps_out == pytest.approx(5 / (time.monotonic() - began), rel=0.1)
