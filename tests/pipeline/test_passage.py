"""Stages that are pulled from, in one thread, as often as is wanted."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sr4k.pipeline import Buffers, Format, Frame, FrameInfo, PlaneSpec, Transform
from sr4k.pipeline.chain import HeapBuffers
from sr4k.pipeline.passage import Passage

FORM = Format((PlaneSpec((2,)),))


class Held(Transform):
    """Emits each frame plus one, one frame late."""

    name = "held"

    def __init__(self, fails_at: int | None = None) -> None:
        self._waiting: list[Frame] = []
        self._fails_at = fails_at
        self.seen: list[int] = []
        self.is_closed = False

    def open(self, source: Format) -> Format:
        if self._fails_at == -1:
            raise OSError("no such device")
        return source

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        if int(frame.planes[0][0]) == self._fails_at:
            raise ValueError("odd")
        out = buffers.take(frame.info)
        out.planes[0][:] = frame.planes[0] + 1
        self.seen.append(int(frame.planes[0][0]))
        frame.release()
        self._waiting.append(out)
        if len(self._waiting) > 1:
            yield self._waiting.pop(0)

    def drain(self, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002
        while self._waiting:
            yield self._waiting.pop(0)

    def close(self) -> None:
        self.is_closed = True


class Same(Held):
    """Emits the very frames that it receives."""

    in_place = True

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002
        yield frame


def frames(*values: int) -> Iterator[Frame]:
    for value in values:
        yield Frame((np.full(2, value, np.uint8),), FrameInfo(pts=value, time_base=Fraction(1)))


def values(made: Iterator[Frame]) -> list[Any]:
    return [int(frame.planes[0][0]) for frame in made]


def test_frames_come_in_order_and_all_of_them_every_time() -> None:
    passage = Passage([Held(), Held(), Same()], FORM)
    for _ in range(2):
        assert values(passage.run(frames(1, 2, 3), HeapBuffers(passage.form))) == [3, 4, 5]
    assert values(passage.run(frames(), HeapBuffers(passage.form))) == []


def test_closed_early_it_takes_no_more_frames_and_keeps_none() -> None:
    stage, source = Held(), frames(1, 2, 3, 4)
    passage = Passage([stage], FORM)
    run = passage.run(source, HeapBuffers(FORM))
    assert next(run).planes[0][0] == 2
    run.close()
    assert stage.seen == [1, 2] and not stage._waiting
    assert values(source) == [3, 4]
    assert values(passage.run(frames(7), HeapBuffers(FORM))) == [8]


def test_what_a_stage_raises_reaches_the_caller() -> None:
    passage = Passage([Held(fails_at=2)], FORM)
    with pytest.raises(ValueError, match="odd"):
        values(passage.run(frames(1, 2, 3), HeapBuffers(FORM)))


def test_if_one_does_not_open_those_before_it_are_closed() -> None:
    first, second = Held(), Held(fails_at=-1)
    with pytest.raises(OSError, match="no such device"):
        Passage([first, second], FORM)
    assert first.is_closed and second.is_closed


def test_closing_closes_each_once_and_abandoning_none() -> None:
    stages = [Held(), Held()]
    passage = Passage(stages, FORM)
    passage.abandon()
    passage.close()
    assert not any(stage.is_closed for stage in stages)
    passage = Passage(stages, FORM)
    passage.close()
    assert all(stage.is_closed for stage in stages)
