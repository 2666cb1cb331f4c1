"""The watchdog, with a clock that is set by hand."""

from dataclasses import replace
from typing import Any

import pytest
from toy_statuses import statuses

from sr4k.jobs.watchdog import Stall, Watchdog
from sr4k.pipeline import WorkerStatus
from sr4k.pipeline.chain import StageClock


class Watched:
    """Statuses that progress, except for those of held workers."""

    def __init__(self, **about: Any) -> None:
        self.now = 100.0
        self.dog = Watchdog(("upscale", "playout"), clock=lambda: self.now, **about)
        self.latest: dict[str, WorkerStatus] = {}
        self.count = 0

    def look(
        self,
        seconds: float,
        *,
        silent: tuple[str, ...] = (),
        intake: dict[str, Any] | None = None,
        playout: dict[str, Any] | None = None,
        at: dict[str, float] | None = None,
        ended: tuple[str, ...] = (),
    ) -> Stall | None:
        found = None
        for _ in range(round(4 * seconds)):
            self.now += 0.25
            self.count += 1
            new = statuses(
                {"frames": self.count, **(intake or {})}, {"frames": self.count, **(playout or {})}, running=self.now
            )
            for name, status in new.items():
                clocks = [replace(clock, since=(at or {}).get(clock.name)) for clock in status.stages]
                new[name] = replace(status, stages=tuple(clocks), ended=name in ended)
            self.latest |= {name: status for name, status in new.items() if name not in silent}
            found = self.dog.look(self.latest)
        return found


def test_what_goes_on_does_not_hang() -> None:
    assert Watched().look(120) is None


@pytest.mark.parametrize("worker", ["upscale", "playout"])
def test_a_worker_that_says_nothing_is_told_after_three_seconds_and_over_after_eight(worker: str) -> None:
    watched = Watched()
    watched.look(2)
    assert watched.look(2.5, silent=(worker,)) is None
    stall = watched.look(1.5, silent=(worker,))
    assert stall is not None
    assert (stall.worker, stall.is_over) == (worker, False)
    stall = watched.look(5, silent=(worker,))
    assert stall is not None
    assert stall.is_over
    assert str(stall).startswith(f"the {worker} process hangs: nothing was heard of it for ")
    assert watched.look(0.5) is None


def test_a_stage_that_stays_at_one_picture_hangs_though_its_process_tells_on() -> None:
    watched = Watched()
    watched.look(2)
    stall = watched.look(6, at={"infer": 1.0})
    assert (str(stall).split(" for ")[0], stall and stall.is_over) == (
        "the upscale process hangs: its stage infer is at one picture",
        False,
    )
    stall = watched.look(26, at={"infer": 1.0})
    assert stall is not None
    assert stall.is_over


def test_of_two_that_stand_still_the_last_in_the_flow_is_named() -> None:
    watched = Watched()
    watched.look(2)
    stall = watched.look(32, at={"infer": 1.0, "playout": 1.0})
    assert stall is not None
    assert stall.worker == "playout"


def test_a_playout_that_encodes_no_picture_hangs_but_for_the_time_that_it_may_hold_one() -> None:
    watched = Watched(hold=20.0)
    watched.look(2)
    assert watched.look(20, playout={"frames": 50}) is None
    stall = watched.look(11, playout={"frames": 50})
    assert stall is not None
    assert stall.is_over
    assert "no picture was encoded" in str(stall)


def test_an_intake_that_is_said_to_be_live_and_takes_no_picture_hangs() -> None:
    watched = Watched()
    watched.look(2)
    assert watched.look(60, intake={"frames": 50, "state": "away"}) is None
    stall = watched.look(21, intake={"frames": 50, "state": "live"})
    assert stall is not None
    assert stall.is_over
    assert stall.worker == "upscale"


def test_a_worker_that_starts_has_a_minute() -> None:
    watched = Watched()
    assert watched.look(58, silent=("playout",)) is None
    stall = watched.look(4, silent=("playout",))
    assert stall is not None
    assert (stall.worker, stall.is_over) == ("playout", True)


def test_a_worker_that_imports_or_compiles_before_its_first_picture_has_a_minute() -> None:
    watched = Watched()
    fresh = WorkerStatus("playout", (StageClock("playout"),), 1.0, 0.0, 0.0, 0.0, 0, {"playout": {}})
    watched.latest["playout"] = fresh
    assert watched.look(50, silent=("playout",)) is None


def test_a_worker_that_has_ended_does_not_hang_and_the_rest_may_take_its_time() -> None:
    watched = Watched()
    watched.look(2)
    watched.look(0.25, ended=("upscale",))
    assert watched.look(30, silent=("upscale",), playout={"frames": 50}) is None


def test_a_machine_that_was_halted_as_a_whole_is_no_hang() -> None:
    watched = Watched()
    watched.look(2)
    watched.now += 3600
    assert watched.dog.look(watched.latest) is None
    assert watched.look(5) is None
