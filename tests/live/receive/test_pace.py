import pytest

from sr4k.live.receive.pace import LiveEdge, Pace
from sr4k.live.timeline import TICKS

FRAME = TICKS // 25


def edge_of(packets: list[tuple[float, float]]) -> float | None:
    """Return the time at which packets (stream time, clock) reach the live edge."""
    edge = LiveEdge()
    return next((now for at, now in packets if edge.is_reached(round(at * TICKS), now)), None)


def test_what_comes_in_time_is_new_at_once() -> None:
    reached = edge_of([(k / 25, 100 + k / 25) for k in range(100)])
    assert reached is not None
    assert reached - 100 < 0.25


def test_a_burst_is_over_when_it_no_longer_gains_on_the_clock() -> None:
    burst = [(k / 25, 100 + k * 0.001) for k in range(75)]  # three seconds in 75 ms
    live = [(3 + k / 25, 100.075 + k / 25) for k in range(50)]
    reached = edge_of(burst + live)
    assert reached is not None
    assert 100.15 < reached < 100.35


def test_a_backlog_over_a_line_with_waits_is_still_a_backlog() -> None:
    slow = [(k / 25, 100 + k * 0.01) for k in range(100)]  # four times as fast as the clock, each read waits
    live = [(4 + k / 25, 101 + k / 25) for k in range(50)]
    reached = edge_of(slow + live)
    assert reached is not None
    assert 101 < reached < 101.3


def test_a_burst_that_is_read_with_a_pause_by_a_busy_machine_is_still_a_burst() -> None:
    burst = [(k / 25, 100 + k * 0.001 + (0.3 if k >= 30 else 0.0)) for k in range(75)]
    live = [(3 + k / 25, 100.375 + k / 25) for k in range(50)]
    reached = edge_of(burst + live)
    assert reached is not None
    assert 100.45 < reached < 100.65


@pytest.mark.parametrize("rate", [5, 25])
def test_what_comes_with_the_jitter_of_a_network_is_new_soon(rate: int) -> None:
    reached = edge_of([(k / rate, 100 + k / rate + 0.08 * (k % 2)) for k in range(100)])
    assert reached is not None
    assert reached - 100 < 0.5


def test_a_source_that_is_always_ahead_is_taken_after_three_seconds() -> None:
    reached = edge_of([(k / 25, 100 + k * 0.02) for k in range(500)])
    assert reached is not None
    assert 103 <= reached < 103.1


def test_a_source_without_times_has_an_edge() -> None:
    edge = LiveEdge()
    assert not edge.is_reached(None, 100.0)
    assert edge.is_reached(None, 100.2)


def waits(stamps: list[int | None], *, took: float = 0.0) -> list[float]:
    """Return the wait before each packet, with a clock advanced by the waits, and by ``took`` for each packet."""
    pace, now, waited = Pace(), 50.0, []
    for stamp in stamps:
        pace.note(stamp, now)
        wait = max(0.0, pace.wait(now))
        waited.append(round(wait, 3))
        now += wait + took
    return waited


def test_packets_pass_when_they_are_due() -> None:
    assert waits([9_000 + k * FRAME for k in range(4)]) == [0, 0.04, 0.04, 0.04]


def test_time_spent_elsewhere_is_made_up() -> None:
    assert waits([k * FRAME for k in range(4)], took=0.03) == [0, 0.01, 0.01, 0.01]


def test_a_jump_is_another_clock_and_no_time_to_wait_for() -> None:
    assert waits([0, FRAME, 3600 * TICKS, 3600 * TICKS + FRAME, 0, FRAME]) == [0, 0.04, 0, 0.04, 0, 0.04]


def test_after_being_held_up_there_is_no_haste() -> None:
    pace = Pace()
    pace.note(0, 10.0)
    pace.note(FRAME, 15.0)
    assert pace.wait(15.0) == 0
    pace.note(2 * FRAME, 15.0)
    assert abs(pace.wait(15.0) - 0.04) < 1e-6


def test_a_packet_without_time_goes_with_its_predecessor() -> None:
    assert waits([0, FRAME, None, 2 * FRAME]) == [0, 0.04, 0, 0.04]
