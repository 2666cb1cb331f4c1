from types import SimpleNamespace

import pytest

from sr4k.live import rate
from sr4k.live.rate import Rate


def test_a_rate_is_that_of_the_last_seconds_and_begins_anew_with_its_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(rate, "time", SimpleNamespace(monotonic=lambda: now))
    found = Rate()
    found.of(0)
    now += 2
    assert found.of(50) == 25
    now += 10
    assert found.of(50) == 0
    now += 1
    assert found.of(3) == 0
    now += 1
    assert found.of(13) == 10
