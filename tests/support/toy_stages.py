"""Stages without codecs or networks, for tests of the runtime."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from sr4k.pipeline import Buffers, Format, Frame, FrameInfo, PlaneSpec, Sink, Source, Transform

TIME_BASE = Fraction(1, 25)


@dataclass(frozen=True)
class Counting:
    """Settings of `Counter`: how many frames, how big, how long each takes, and where to fail."""

    frames: int = 10
    shape: tuple[int, int] = (8, 8)
    seconds: float = 0.0
    fail_at: int | None = None
    die_at: int | None = None


class Counter(Source):
    name = "counter"

    def __init__(self, settings: Counting) -> None:
        self._s = settings
        self._made = 0

    def open(self) -> Format:
        return Format((PlaneSpec(self._s.shape), PlaneSpec((2,), "float32")), about="numbers")

    def frames(self, buffers: Buffers) -> Iterator[Frame]:
        for number in range(self._s.frames):
            if number == self._s.fail_at:
                raise ValueError("the counter broke")
            if number == self._s.die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(self._s.seconds)
            frame = buffers.take(FrameInfo(pts=number, time_base=TIME_BASE))
            frame.planes[0][:] = number % 251
            frame.planes[1][:] = number
            self._made += 1
            yield frame

    def report(self) -> dict[str, Any]:
        return {"made": self._made}


@dataclass(frozen=True)
class Adding:
    """Settings of `Adder`: what to add, whether in place, how many frames to hold back, and where to fail."""

    amount: int = 1
    in_place: bool = True
    hold: int = 0
    fail_at: int | None = None


class Adder(Transform):
    name = "adder"

    def __init__(self, settings: Adding) -> None:
        self._s = settings
        self.in_place = settings.in_place
        self._held: list[Frame] = []

    def open(self, source: Format) -> Format:
        return source

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        if frame.info.pts == self._s.fail_at:
            raise ValueError("the adder broke")
        self._held.append(frame)
        while len(self._held) > self._s.hold:
            yield self._add(self._held.pop(0), buffers)

    def drain(self, buffers: Buffers) -> Iterator[Frame]:
        while self._held:
            yield self._add(self._held.pop(0), buffers)

    def _add(self, frame: Frame, buffers: Buffers) -> Frame:
        if self._s.in_place:
            frame.planes[1][:] += self._s.amount
            return frame
        out = buffers.take(frame.info)
        for source, target in zip(frame.planes, out.planes, strict=True):
            np.copyto(target, source)
        out.planes[1][:] += self._s.amount
        frame.release()
        return out


class Placed(Transform):
    """Reports which CPUs it may run on, and a variable of its environment."""

    name = "placed"
    in_place = True

    def open(self, source: Format) -> Format:
        return source

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002
        yield frame

    def report(self) -> dict[str, Any]:
        return {"cpus": os.sched_getaffinity(0), "toy": os.environ.get("TOY")}


@dataclass(frozen=True)
class Collecting:
    """Settings of `Collector`: where to write what came, how long each takes, and where to fail or die."""

    path: Path
    seconds: float = 0.0
    fail_at: int | None = None
    die_at: int | None = None
    hang_at: int | None = None


class Collector(Sink):
    name = "collector"

    def __init__(self, settings: Collecting) -> None:
        self._s = settings
        self._lines: list[str] = []

    def open(self, source: Format) -> None:
        assert source.about == "numbers"

    def consume(self, frame: Frame) -> None:
        if frame.info.pts == self._s.fail_at:
            raise OSError("the collector broke")
        if frame.info.pts == self._s.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if frame.info.pts == self._s.hang_at:
            time.sleep(3600)
        time.sleep(self._s.seconds)
        self._lines.append(f"{frame.info.pts} {frame.planes[0].flat[-1]} {frame.planes[1][1]:.0f}")
        frame.release()

    def finish(self, *, complete: bool) -> None:
        self._complete = complete
        self._s.path.write_text("\n".join(self._lines))

    def report(self) -> dict[str, Any]:
        return {"complete": getattr(self, "_complete", None)}
