import logging

import pytest

from sr4k.live.retries import Retries

log = logging.getLogger("sr4k.test")


class Clock:
    """One that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def retries(clock: Clock, caplog: pytest.LogCaptureFixture) -> Retries:
    caplog.set_level(logging.INFO)
    return Retries(log, "rtmp://out/app/***", fields={"target": "rtmp://out/app/***"}, clock=clock)


def fail(retries: Retries, clock: Clock, times: int, reason: str = "the connection was refused") -> None:
    for _ in range(times):
        retries.failed(reason, 30.0)
        clock.now += 30


def test_a_failure_is_told_with_its_fields(retries: Retries, caplog: pytest.LogCaptureFixture) -> None:
    retries.failed("the connection was refused", 1.23)
    (record,) = caplog.records
    assert record.getMessage() == "rtmp://out/app/***: the connection was refused; trying again in 1.2 s."
    told = {key: vars(record)[key] for key in ("event", "target", "reason", "delay", "tries")}
    assert told == {
        "event": "retry",
        "target": "rtmp://out/app/***",
        "reason": "the connection was refused",
        "delay": 1.2,
        "tries": 1,
    }


def test_tries_that_go_on_for_a_day_become_a_line_an_hour_with_their_count(
    retries: Retries, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail(retries, clock, 24 * 120)
    assert 10 + 23 <= len(caplog.records) <= 10 + 24
    last = caplog.records[-1]
    assert vars(last)["tries"] > 22 * 120
    assert last.getMessage().endswith(f"trying again in 30.0 s ({vars(last)['tries']} times in 23.1 h).")


def test_another_reason_is_told_at_once(retries: Retries, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    fail(retries, clock, 100)
    caplog.clear()
    fail(retries, clock, 5, "the key is wrong")
    assert len(caplog.records) == 1
    assert "the key is wrong" in caplog.text


def test_a_connection_that_breaks_off_again_and_again_is_a_line_an_hour_as_well(
    retries: Retries, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3600):
        retries.connected("connected")
        clock.now += 3
        retries.failed("the connection broke off", 1.0)
        clock.now += 1
    assert len(caplog.records) <= 10 + 2 * 4


def test_the_end_of_a_long_row_is_told_and_the_next_row_begins_anew(
    retries: Retries, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail(retries, clock, 1000)
    caplog.clear()
    retries.connected("connected")
    clock.now += 120
    fail(retries, clock, 3)
    assert caplog.messages[0] == "rtmp://out/app/***: connected."
    assert [vars(record).get("tries") for record in caplog.records] == [None, 1, 2, 3]


def test_reasons_without_end_take_no_memory_and_no_lines(
    retries: Retries, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1000):
        fail(retries, clock, 1, f"error {number}")
    assert len(caplog.records) < 40
