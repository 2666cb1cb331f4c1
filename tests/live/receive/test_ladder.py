import itertools

import pytest

from sr4k.live.receive.ladder import RUNGS, Governor, rungs_for


class Machine:
    """A simulated machine: frames at ``rate``, costing ``network`` or ``plain`` seconds, late after half a second.

    With ``twice``, ``network`` is the cost of both passes, and ``once`` that of the first; ``light``: that of a smaller
    network.
    """

    def __init__(self, rate: float = 30.0, *, twice: bool = False, light: bool = False) -> None:
        self.rate, self.clock, self.free = rate, 0.0, 0.0
        self.governor = Governor(0.0, twice=twice, light=light)
        self.done: list[str] = []

    def run(
        self, seconds: float, *, network: float, plain: float = 0.004, once: float = 0.0, light: float = 0.0
    ) -> None:
        self.done = []
        end = self.clock + seconds
        while self.clock < end:
            self.clock += 1 / self.rate
            now = max(self.clock, self.free)
            if now - self.clock > 0.5:
                self.governor.late()
                self.done.append("late")
            else:
                what = self.governor.treatment()
                cost = {"network": network, "once": once, "light": light, "plain": plain, "skip": 0.0}[what]
                self.done.append(what)
                if what != "skip":
                    self.governor.took(what, cost, now)
                    self.free = now + cost
            self.governor.look(self.clock)


def test_a_machine_that_holds_the_rate_is_left_alone() -> None:
    machine = Machine()
    machine.run(600, network=0.030)
    assert machine.governor.steps == 0
    assert set(machine.done) == {"network"}


def test_a_single_halt_does_not_make_a_machine_slow() -> None:
    governor = Governor(0.0)

    def second_with_a_halt(until: float) -> None:
        for seconds in [0.02] * 20 + [0.3]:
            governor.took(governor.treatment(), seconds, until)
        for _ in range(4):
            governor.late()
        governor.look(until)

    second_with_a_halt(1.0)
    assert governor.rung == 0
    for _ in range(25):
        governor.took(governor.treatment(), 0.02, 2.0)
    governor.look(2.0)
    second_with_a_halt(3.0)
    assert governor.rung == 0
    second_with_a_halt(4.0)
    assert governor.rung == 1, "one halt after another is a slow machine"


@pytest.mark.parametrize(("network", "rung"), [(0.050, 1), (0.1, 2), (0.5, 3)])
def test_the_first_rung_that_holds_is_kept(network: float, rung: int) -> None:
    machine = Machine()
    machine.run(60, network=network)
    machine.run(60, network=network)
    assert machine.governor.rung == rung
    assert machine.done.count("late") <= 0.01 * len(machine.done)


def test_pictures_are_left_out_when_even_plain_ones_cost_too_much() -> None:
    machine = Machine(60)
    machine.run(60, network=0.5, plain=0.025)
    machine.run(30, network=0.5, plain=0.025)
    assert RUNGS[machine.governor.rung].kept == 2
    assert machine.done.count("late") == 0
    assert machine.done.count("plain") == pytest.approx(30 * 60 / 2, abs=2)


def test_it_steps_up_again_when_there_is_room_and_does_not_swing() -> None:
    machine = Machine()
    machine.run(60, network=0.5)
    assert machine.governor.rung == 3
    machine.run(300, network=0.02)
    assert machine.governor.rung == 0
    steps = machine.governor.steps
    machine.run(600, network=0.02)
    assert machine.governor.steps == steps


def test_a_network_that_stays_too_slow_is_seldom_tried() -> None:
    machine = Machine()
    machine.run(60, network=0.5)
    steps = machine.governor.steps
    machine.run(1800, network=0.5)
    assert machine.governor.steps - steps < 20


def test_a_step_up_that_does_not_hold_is_tried_ever_more_rarely() -> None:
    machine = Machine()
    machine.run(30, network=0.05)
    for _ in range(20):  # cheap until it is stepped up, as when still pictures end
        machine.run(30, network=0.02)
        machine.run(30, network=0.05)
    early = machine.governor.steps
    for _ in range(20):
        machine.run(30, network=0.02)
        machine.run(30, network=0.05)
    assert machine.governor.steps - early <= early


def test_a_machine_without_time_for_two_passes_makes_one() -> None:
    machine = Machine(twice=True)
    machine.run(60, network=0.05, once=0.02)
    machine.run(60, network=0.05, once=0.02)
    assert machine.governor.name == "every picture once through the network"
    assert machine.done.count("once") >= 0.99 * len(machine.done)


def test_with_less_time_still_only_every_fourth_goes_through_the_network_and_then_once() -> None:
    machine = Machine(twice=True)
    machine.run(60, network=0.3, once=0.1)
    machine.run(60, network=0.3, once=0.1)
    assert machine.governor.name == "every 4th picture once through the network"
    assert machine.done.count("once") == pytest.approx(len(machine.done) / 4, rel=0.05)


def test_the_second_pass_comes_back_when_there_is_room_for_it() -> None:
    machine = Machine(twice=True)
    machine.run(60, network=0.3, once=0.1)
    machine.run(600, network=0.02, once=0.01)
    assert (machine.governor.rung, set(machine.done[-900:])) == (0, {"network"})
    assert machine.governor.name == "every picture twice through the network"


def test_before_any_picture_goes_without_a_network_all_go_through_the_smaller_one() -> None:
    machine = Machine(light=True)
    machine.run(60, network=0.05, light=0.02)
    machine.run(60, network=0.05, light=0.02)
    assert machine.governor.name == "every picture through the smaller network"
    assert machine.done.count("light") >= 0.99 * len(machine.done)


def test_with_less_time_every_other_picture_goes_through_the_smaller_network() -> None:
    machine = Machine(light=True)
    machine.run(60, network=0.15, light=0.05)
    machine.run(60, network=0.15, light=0.05)
    assert machine.governor.name == "every 2nd picture through the smaller network"
    assert machine.done.count("light") == pytest.approx(len(machine.done) / 2, rel=0.05)


def test_the_larger_network_comes_back_when_there_is_room_for_it() -> None:
    machine = Machine(light=True)
    machine.run(60, network=0.05, light=0.02)
    machine.run(600, network=0.02, light=0.008)
    assert (machine.governor.rung, set(machine.done[-900:])) == (0, {"network"})


def test_a_second_pass_is_left_out_before_the_network_becomes_a_smaller_one() -> None:
    names = [rung.name for rung in rungs_for(twice=True, light=True)]
    assert names[:3] == [
        "every picture twice through the network",
        "every picture once through the network",
        "every picture through the smaller network",
    ]


def test_the_names_of_rungs_differ() -> None:
    for twice, light in itertools.product((False, True), repeat=2):
        names = [rung.name for rung in rungs_for(twice=twice, light=light)]
        assert len({*names}) == len(names)


def test_a_rung_that_is_pinned_is_kept_whatever_it_costs_until_it_is_let_go() -> None:
    machine = Machine()
    machine.governor.pin(0, 0.0)
    machine.run(60, network=0.5)
    assert (machine.governor.rung, machine.governor.pinned, machine.governor.steps) == (0, True, 0)
    machine.governor.pin(99, machine.clock)
    assert machine.governor.rung == len(RUNGS) - 1
    machine.run(60, network=0.001)
    assert set(machine.done) == {"skip", "plain"}
    machine.governor.pin(None, machine.clock)
    machine.run(200, network=0.001)
    assert machine.governor.rung == 0
