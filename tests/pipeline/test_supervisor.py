"""Whole graphs of toy stages, as threads and as processes."""

import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from toy_stages import Adding, Collecting, Counting

from rig.channel import eventually
from rig.fair_time import Stopwatch
from rig.processes import children_of, command_of
from rig.shared_memory import left_behind, names
from sr4k.pipeline import (
    GraphSpec,
    Outcome,
    StageFailed,
    StageSpec,
    WorkerDied,
    WorkerSpec,
    WorkerStatus,
    run_graph,
    supervisor,
    worker,
)
from sr4k.pipeline.fork_server import Forked
from sr4k.pipeline.supervisor import GraphAborted, Mode

pytestmark = pytest.mark.slow

BOTH: tuple[Mode, ...] = ("threads", "processes")


def graph(
    counting: Counting, adding: tuple[Adding, ...], collecting: Collecting, mode: Mode, slots: int = 3, lanes: int = 1
) -> GraphSpec:
    module = "toy_stages"
    return GraphSpec(
        (
            WorkerSpec("first", (StageSpec(f"{module}:Counter", counting),)),
            WorkerSpec("middle", tuple(StageSpec(f"{module}:Adder", a) for a in adding), lanes),
            WorkerSpec("last", (StageSpec(f"{module}:Collector", collecting),)),
        ),
        (slots, slots),
        mode,
    )


def children() -> set[int]:
    """Processes whose parent is this one, the resource tracker of multiprocessing aside."""
    return {pid for pid in children_of(os.getpid()) if "resource_tracker" not in command_of(pid)}


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> object:
    shared, processes = names(), children()
    yield
    eventually(lambda: children() <= processes, 5)
    assert not left_behind(shared)


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize(
    "adding",
    [
        (Adding(5),),
        (Adding(5, in_place=False),),
        (Adding(2, hold=2), Adding(3)),
        (Adding(2, False, hold=3), Adding(3, False)),
    ],
    ids=["in place", "copying", "holding back", "both copying"],
)
def test_every_frame_arrives_once_in_order_with_its_own_time(
    mode: Mode, adding: tuple[Adding, ...], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    slots = 3 + sum(a.hold for a in adding)
    outcome = run_graph(graph(Counting(40), adding, Collecting(out), mode, slots))
    assert out.read_text().splitlines() == [f"{n} {n} {n + 5}" for n in range(40)]
    assert outcome.reports == {"counter": {"made": 40}, "adder": {}, "collector": {"complete": True}}
    assert not outcome.stopped


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("frames", [1, 3, 41], ids=["fewer than lanes", "one for each", "many"])
@pytest.mark.parametrize(
    "adding", [(Adding(5),), (Adding(2, hold=1), Adding(3, False, hold=1))], ids=["in place", "holding back"]
)
def test_lanes_keep_the_order(mode: Mode, frames: int, adding: tuple[Adding, ...], tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = run_graph(graph(Counting(frames), adding, Collecting(out), mode, slots=5, lanes=3))
    assert out.read_text().splitlines() == [f"{n} {n} {n + 5}" for n in range(frames)]
    shares = [outcome.statuses[f"middle {k}"].stages[0].frames for k in (1, 2, 3)]
    assert sum(shares) == frames and max(shares) - min(shares) <= 1
    assert outcome.reports["collector"] == {"complete": True}


def test_each_lane_has_cpus_of_its_own(tmp_path: Path) -> None:
    spec = graph(Counting(4), (Adding(),), Collecting(tmp_path / "out"), "processes", lanes=2)
    looking = replace(spec.workers[1], stages=(StageSpec("toy_stages:Placed"),))
    outcome = run_graph(replace(spec, workers=(spec.workers[0], looking, spec.workers[2])))
    first, second = (report["cpus"] for report in outcome.lane_reports["placed"])
    available = os.sched_getaffinity(0)
    assert first | second <= available
    assert not first & second or len(available) < 2


def test_each_lane_has_the_environment_that_is_its_turn(tmp_path: Path) -> None:
    spec = graph(Counting(4), (Adding(),), Collecting(tmp_path / "out"), "processes", lanes=3)
    stages, environments = (StageSpec("toy_stages:Placed"),), ({"TOY": "a"}, {"TOY": "b"})
    looking = replace(spec.workers[1], stages=stages, environments=environments)
    outcome = run_graph(replace(spec, workers=(spec.workers[0], looking, spec.workers[2])))
    assert sorted(report["toy"] for report in outcome.lane_reports["placed"]) == ["a", "a", "b"]
    assert "TOY" not in os.environ


@pytest.mark.parametrize("mode", BOTH)
def test_a_slow_sink_holds_the_source_back(mode: Mode, tmp_path: Path) -> None:
    depths = []
    spec = graph(Counting(20), (Adding(),), Collecting(tmp_path / "out", seconds=0.05), mode)
    outcome = run_graph(spec, on_status=lambda statuses: depths.extend(s.depth for s in statuses.values()))
    assert max(depths) == 3, "the channels fill up, and hold no more than they may"
    assert outcome.statuses["first"].waited_out > 10 * 0.05


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize(
    ("counting", "adding", "collecting", "stage", "words"),
    [
        (Counting(fail_at=5), Adding(), {}, "counter", "the counter broke"),
        (Counting(), Adding(fail_at=5), {}, "adder", "the adder broke"),
        (Counting(1000), Adding(), {"fail_at": 5}, "collector", "the collector broke"),
    ],
)
def test_the_first_cause_is_what_is_raised(
    mode: Mode,
    lanes: int,
    counting: Counting,
    adding: Adding,
    collecting: dict[str, int],
    stage: str,
    words: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(StageFailed, match=words) as caught:
        run_graph(graph(counting, (adding,), Collecting(tmp_path / "out", **collecting), mode, lanes=lanes))
    assert caught.value.stage == stage
    assert isinstance(caught.value.cause, ValueError | OSError)
    assert "Traceback" in caught.value.trace
    assert not (tmp_path / "out").exists(), "a failed graph must not finish its output"


@pytest.mark.parametrize(
    ("counting", "collecting", "worker"),
    [(Counting(1000, die_at=5), {}, "first"), (Counting(1000), {"die_at": 5}, "last")],
)
def test_a_killed_worker_is_named_within_seconds(
    counting: Counting, collecting: dict[str, int], worker: str, tmp_path: Path
) -> None:
    seen = _Seen()
    spec = graph(counting, (Adding(),), Collecting(tmp_path / "out", **collecting), "processes")
    with pytest.raises(WorkerDied, match=rf"the {worker} process \(stages: \w+\) was killed by SIGKILL"):
        run_graph(spec, on_status=seen)
    assert seen.began is not None
    assert seen.began.fair < 5


def test_the_cause_of_a_death_is_told_although_the_news_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = Forked.wait

    def late(forked: Forked, timeout: float) -> int:
        if timeout < 5:  # as on a machine that swaps
            raise subprocess.TimeoutExpired("worker", timeout)
        return wait(forked, timeout)

    monkeypatch.setattr(Forked, "wait", late)
    spec = GraphSpec((WorkerSpec("only", (StageSpec("toy_stages:Counter", Counting(9, die_at=0)),)),), ())
    with pytest.raises(WorkerDied, match=r"the only process .* was killed by SIGKILL"):
        run_graph(spec)


class _Seen:
    """Records the frames at the collector, when the graph started, and when a stop was requested."""

    def __init__(self) -> None:
        self.frames = 0
        self.began: Stopwatch | None = None
        self.asked: Stopwatch | None = None

    def __call__(self, statuses: dict[str, WorkerStatus]) -> None:
        self.began = self.began or Stopwatch()
        self.frames = next((c.frames for s in statuses.values() for c in s.stages if c.name == "collector"), 0)

    def after(self, frames: int, requests: int) -> Callable[[], int]:
        """Return a function that returns the number of stop requests: 0 until so many frames are collected."""

        def requested() -> int:
            if self.frames < frames:
                return 0
            self.asked = self.asked or Stopwatch()
            return requests

        return requested


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("lanes", [1, 2])
def test_a_stop_request_ends_the_source_and_drains_the_rest(mode: Mode, lanes: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    spec = graph(Counting(100_000, seconds=0.01), (Adding(5, hold=1),), Collecting(out), mode, slots=4, lanes=lanes)
    seen = _Seen()
    outcome: Outcome = run_graph(spec, on_status=seen, stop_requests=seen.after(6, 1))
    lines = out.read_text().splitlines()
    assert outcome.stopped
    assert outcome.reports["collector"] == {"complete": False}
    assert 5 < len(lines) == outcome.reports["counter"]["made"]
    assert lines == [f"{n} {n % 251} {n + 5}" for n in range(len(lines))]


@pytest.mark.parametrize("mode", BOTH)
def test_a_stop_that_was_requested_before_the_start_lets_the_source_emit_nothing(mode: Mode, tmp_path: Path) -> None:
    outcome = run_graph(graph(Counting(9), (Adding(),), Collecting(tmp_path / "out"), mode), stop_requests=lambda: 1)
    assert outcome.stopped
    assert outcome.reports["collector"] == {"complete": False}
    assert not (tmp_path / "out").read_text()


def test_a_second_stop_request_kills_even_a_hanging_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(supervisor, "_GRACE", 30.0)  # which is for workers that know that they have to end
    spec = graph(Counting(1000), (Adding(),), Collecting(tmp_path / "out", hang_at=3), "processes")
    seen = _Seen()
    with pytest.raises(GraphAborted):
        run_graph(spec, on_status=seen, stop_requests=seen.after(3, 2))
    assert seen.asked is not None
    assert seen.asked.fair < 5


def test_at_a_second_stop_request_threads_end_before_the_graph_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "_GRACE", 30.0)
    seen = _Seen()
    with pytest.raises(GraphAborted):
        run_graph(
            graph(Counting(100_000, seconds=0.01), (Adding(),), Collecting(tmp_path / "out"), "threads"),
            on_status=seen,
            stop_requests=seen.after(3, 2),
        )
    assert seen.asked is not None
    assert seen.asked.fair < 10
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("sr4k-")]


def test_the_end_waits_for_no_status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(worker, "STATUS_EVERY", 60.0)
    watch = Stopwatch()
    run_graph(graph(Counting(3), (Adding(),), Collecting(tmp_path / "out"), "threads"))
    assert watch.fair < 10


@pytest.mark.parametrize("mode", BOTH)
def test_status_tells_how_busy_each_stage_is(mode: Mode, tmp_path: Path) -> None:
    spec = graph(Counting(20, seconds=0.02), (Adding(),), Collecting(tmp_path / "out"), mode)
    statuses = run_graph(spec).statuses
    counter, collector = statuses["first"].stages[0], statuses["last"].stages[0]
    assert counter.frames == collector.frames == 20
    assert counter.busy >= 20 * 0.02
    assert collector.busy < counter.busy
    assert statuses["last"].waited_in > 0.2
