"""The test pattern on a machine that stops for a while."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sr4k.live.address import parse_source
from sr4k.live.receive import pattern
from sr4k.live.receive.link import Ended
from sr4k.live.receive.pattern import Pattern

RATE = 25


class Link:
    """Keeps what a pattern sends."""

    def __init__(self) -> None:
        self.numbers, self.samples, self.tally = list[int](), 0, SimpleNamespace(pictures=0)

    def take(self, info: Any) -> None:
        self.numbers.append(round(float(info.pts * info.time_base) * RATE))

    def say(self, _ticks: int, samples: "np.ndarray[Any, Any]") -> None:
        self.samples += len(samples)

    def open(self, form: object) -> None: ...

    def report(self) -> None: ...


class Clock:
    """Time that goes on by sleeping alone; at picture 40 the machine stops for longer than the pattern lasts."""

    def __init__(self, link: Link, pause: float) -> None:
        self.now, self.link, self.pause = 100.0, link, pause

    def monotonic(self) -> float:
        if self.link.numbers[-1:] == [40]:
            self.now, self.pause = self.now + self.pause, 0.0
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("pause", [0.2, 0.8, 60.0])
def test_the_last_picture_and_all_of_the_sound_come_however_long_the_machine_stops(
    pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    link: Any = Link()
    monkeypatch.setattr(pattern, "time", Clock(link, pause))
    allowance: Any = SimpleNamespace(renew=lambda: None)
    end = Pattern(parse_source("pattern://160x90@25?seconds=2"), link, None).run(allowance)
    assert end == Ended("the pattern ended", final=True)
    assert link.numbers[:41] == list(range(41)) and link.numbers[-1] == 49
    assert 50 - pause * RATE - 1 <= len(link.numbers) < 50
    assert link.samples == 2 * 48_000
