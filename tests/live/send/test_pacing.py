"""When a picture stands in for one that fails to arrive, by a clock that the tests turn."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from sr4k.live.send.pacing import Pacing
from sr4k.live.timeline import TICKS

TICK = 0.01
HOLD = 0.2


class Show:
    """A row of pictures: ``shown`` are the seconds of those encoded, ``stood_in`` those of the stand-ins among them."""

    def __init__(self, rate: Fraction, hold: float = HOLD) -> None:
        self.pacing = Pacing(rate, hold)
        self.shown: list[float] = []
        self.stood_in: list[float] = []
        self.past = 0

    def arrive(self, pts: float, now: float) -> None:
        ticks = round(pts * TICKS)
        if not self.pacing.receive(ticks, now):
            self.past += 1
            return
        self._encode(ticks, now)

    def watch(self, now: float) -> None:
        pts = self.pacing.stand_in(now)
        if pts is not None:
            self._encode(pts, now)
            self.stood_in.append(self.shown[-1])

    def _encode(self, ticks: int, now: float) -> None:
        self.pacing.encode(ticks, now)
        self.shown.append(ticks / TICKS)

    def play(
        self, pictures: Sequence[tuple[float, float]], *, until: float, stalls: Sequence[tuple[float, float]] = ()
    ) -> None:
        """Let pictures arrive, given as (pts, time), and look every `TICK`, except while the machine stalls."""
        waiting = list(pictures)
        for now in np.arange(0.0, until, TICK):
            if any(begin <= now < end for begin, end in stalls):
                continue
            while waiting and waiting[0][1] <= now:
                self.arrive(waiting.pop(0)[0], now)
            self.watch(now)


def steps(show: Show) -> np.ndarray:
    return np.diff(show.shown)


def row(numbers: range, *, rate: int = 25, later: float = 0.0) -> list[tuple[float, float]]:
    return [(number / rate, number / rate + later) for number in numbers]


def test_before_the_first_picture_none_stands_in() -> None:
    show = Show(Fraction(25))
    show.play([], until=2.0)
    assert show.shown == []


def test_while_pictures_arrive_none_stands_in() -> None:
    show = Show(Fraction(25))
    show.play(row(range(100)), until=4.0)
    assert show.shown == [number / 25 for number in range(100)]
    assert show.stood_in == []


def test_while_nothing_arrives_pictures_stand_in_at_the_nominal_rate_after_one_that_closes_the_gap() -> None:
    show = Show(Fraction(25))
    show.play(row(range(25)), until=3.0)
    gap, *rest = np.diff(show.shown[24:])
    assert HOLD <= gap <= HOLD + 0.04 + TICK
    assert rest == pytest.approx([0.04] * len(rest))
    assert show.shown[-1] == pytest.approx(3.0, abs=0.04 + TICK)


@pytest.mark.parametrize("rate", [Fraction(1), Fraction(2), Fraction(5)])
def test_at_low_rates_a_picture_may_be_late_by_half_an_interval(rate: Fraction) -> None:
    show = Show(rate)
    show.play([(0.0, 0.0), (1 / rate, 1.45 / rate)], until=1.9 / rate)
    assert show.stood_in == []
    show = Show(rate)
    show.play([(0.0, 0.0)], until=1.6 / rate)
    assert show.stood_in == [float(1 / rate)]


def test_pictures_that_come_later_than_what_stood_in_for_them_are_left_out() -> None:
    show = Show(Fraction(25))
    show.play(row(range(25)) + row(range(25, 60), later=1.0), until=3.4)
    assert show.past > 10
    assert (steps(show) > 0).all()
    assert steps(show).max() <= HOLD + 0.04 + TICK


def test_pictures_that_go_on_coming_later_are_seen_again() -> None:
    show = Show(Fraction(25))
    show.play(row(range(25)) + row(range(25, 145), later=1.0), until=6.8)
    assert show.past < 80
    assert (steps(show) > 0).all()
    assert steps(show).max() <= HOLD + 0.04 + TICK
    assert len(set(show.shown) - set(show.stood_in)) > 25 + 30
    assert show.shown[-25:] == pytest.approx([number / 25 for number in range(120, 145)]), "none stands in any more"


def test_the_last_picture_stays_while_the_machine_stalls_and_one_closes_the_gap() -> None:
    show = Show(Fraction(25))
    show.play(row(range(25)), until=3.0, stalls=[(1.5, 2.1)])
    widest = steps(show).max()
    assert widest == pytest.approx(0.6, abs=0.05)
    assert (steps(show) > 0).all()
    assert show.shown[-1] == pytest.approx(3.0, abs=0.04 + TICK)


def test_two_pictures_never_share_a_millisecond() -> None:
    show = Show(Fraction(25))
    for pts, taken in ((0.0, True), (0.0009, False), (0.001, True), (0.001, False), (0.002, True)):
        before = len(show.shown)
        show.arrive(pts, pts)
        assert (len(show.shown) > before) is taken, pts
    assert show.past == 2
