import re
import time
from collections.abc import Iterator

import pytest

from sr4k.common.time_zone import local_clock, unknown_zone


@pytest.fixture(autouse=True)
def _zone_of_before() -> Iterator[None]:
    yield
    time.tzset()


def in_zone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", name)
    time.tzset()


@pytest.mark.parametrize("name", ["Europe/Berlinn", "Bogus/Zone", ":/nonexistent", "../zone", "CEST"])
def test_zones_that_the_system_does_not_know_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    in_zone(name, monkeypatch)
    assert unknown_zone() == name.removeprefix(":")


@pytest.mark.parametrize("name", ["", "UTC", ":UTC", "UTC0", "GMT+00:00", "<+00>0", "CET-1CEST", "XYZ5", "<+03>-3"])
def test_zones_that_are_known_or_written_out_are_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    in_zone(name, monkeypatch)
    assert unknown_zone() is None


def test_no_zone_is_none_that_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    time.tzset()
    assert unknown_zone() is None


@pytest.mark.parametrize(("zone", "told"), [("XYZ-5:45", "XYZ, UTC+05:45"), ("UTC0", "UTC, UTC+00:00")])
def test_the_clock_tells_its_zone_and_how_far_that_is_from_utc(
    zone: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_zone(zone, monkeypatch)
    assert re.fullmatch(r"\d\d:\d\d, " + re.escape(told), local_clock())
