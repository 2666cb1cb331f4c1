import logging
import time
from typing import Any

import pytest

from sr4k.live.backoff import Backoff
from sr4k.live.retries import Retries, Tried, keep_trying

log = logging.getLogger("sr4k.test")


class Clock:
    """A clock that is set by hand."""

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


class Tries:
    """Tries with given ends, and no waits between them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *ends: Tried) -> None:
        self.ends, self.resets, self.waits = list(ends), 0, list[str]()
        monkeypatch.setattr(Backoff, "wait", self._wait)
        monkeypatch.setattr(Backoff, "reset", lambda backoff: self._reset(backoff))

    def run(self, retries: Retries, **wishes: Any) -> None:
        def once() -> Tried:
            return self.ends.pop(0)

        wishes = {"should_stop": lambda: not self.ends, "proven": 2.0, **wishes}
        keep_trying(once, retries=retries, on_wait=self.waits.append, **wishes)

    @staticmethod
    def _wait(backoff: Backoff) -> float:
        backoff.tries += 1
        return 0.0

    def _reset(self, backoff: Backoff) -> None:
        self.resets += 1
        backoff.tries = 0


def test_tries_go_on_until_the_final_one(retries: Retries, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = Tries(monkeypatch, Tried("a"), Tried("b", 1.9), Tried("c", final=True), Tried("d"))
    tries.run(retries)
    assert (tries.waits, tries.resets) == (["a", "b"], 0)
    assert tries.ends == [Tried("d")]


def test_what_went_well_for_long_makes_the_wait_short_and_counts_as_no_failure_in_a_row(
    retries: Retries, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven: list[bool] = []
    tries = Tries(monkeypatch, Tried("a"), Tried("b", 2.1), Tried("c"), Tried("d"), Tried("e"))
    tries.run(retries, tries=3, on_proven=lambda: proven.append(True))
    assert (tries.waits, tries.resets, proven) == (["a", "b", "c"], 1, [True])
    assert tries.ends == [Tried("e")]


def test_a_stop_cuts_the_wait_short(
    retries: Retries, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    monkeypatch.setattr(Backoff, "wait", lambda _backoff: 300.0)

    def should_stop() -> bool:
        looks.extend([True] * bool(caplog.records))  # what failed has been told, and the wait has begun
        return len(looks) > 2

    began = time.monotonic()
    keep_trying(lambda: Tried("it broke"), proven=1.0, retries=retries, should_stop=should_stop)
    assert time.monotonic() - began < 100, "of a wait of 300 s"
    assert len(caplog.records) == 1
