import os
import pickle
import threading
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from multiprocessing import Pipe
from typing import Any

import numpy as np
import pytest

from sr4k.live.link import SLOTS, Ended, IntakeEnd, NonsenseError, Opened, Picture, PullerEnd, Sound, Tally
from sr4k.live.timeline import TIME_BASE
from sr4k.models.colour import Colour
from sr4k.pipeline import Format, Frame, FrameInfo, PlaneSpec
from sr4k.pipeline.channel import Memory
from sr4k.stages.decoded import padded_format
from sr4k.stages.video import ColourTags, VideoInfo

INFO = VideoInfo(64, 48, TIME_BASE, Fraction(25), Fraction(4, 3), ColourTags(6, 1, 6, 6), Colour("bt601"), (1, 2))
FORM = padded_format(INFO)
NOW = FrameInfo(7, TIME_BASE, 0, True, False, 1.5)


class Ends:
    """Both, in one process."""

    def __init__(self) -> None:
        ours, self.wire = Pipe()
        memory = Memory.create()
        self.intake = IntakeEnd(ours, memory)
        self.puller = PullerEnd(self.wire, memory.duplicate())

    def open(self, form: Format = FORM) -> None:
        opening = threading.Thread(target=self.puller.open, args=(form,))
        opening.start()
        assert self.intake.receive(5) == Opened(form)
        opening.join()

    def send(self, value: int) -> None:
        frame = self.puller.take(NOW)
        assert frame is not None
        for plane in frame.planes:
            plane[:] = value
        self.puller.show(frame)

    def receive(self) -> Any:
        return self.intake.receive(5)


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.intake.close()
    ends.wire.close()


def test_pictures_sound_counts_and_the_end_arrive_as_they_were_sent(ends: Ends) -> None:
    ends.open()
    ends.send(200)
    ends.puller.say(9, np.array([(0x201, 0x403)], np.int16))
    ends.puller.tally.bytes = 12
    ends.puller.end(Ended("enough", final=True))
    frame = ends.receive()
    assert isinstance(frame, Frame)
    assert frame.info == NOW
    assert [plane.shape for plane in frame.planes] == [spec.shape for spec in FORM.planes]
    assert all((plane == 200).all() for plane in frame.planes)
    assert ends.receive() == Sound(9, b"\1\2\3\4")
    assert ends.receive() == Tally(bytes=12)
    assert ends.receive() == Ended("enough", final=True)
    assert ends.intake.receive(0) is None


def test_a_picture_without_room_is_left_out_and_counted_and_room_comes_back(ends: Ends) -> None:
    ends.open()
    for value in range(SLOTS):
        ends.send(value)
    assert ends.puller.take(NOW) is None
    assert ends.puller.tally.full == 1
    held = [ends.receive() for _ in range(SLOTS)]
    assert [int(frame.planes[0][0, 0]) for frame in held] == list(range(SLOTS))
    held[3].release()
    ends.send(100)
    assert ends.puller.take(NOW) is None
    assert (ends.receive().planes[0] == 100).all()


def test_frames_that_are_held_outlive_the_connection(ends: Ends) -> None:
    ends.open()
    ends.send(55)
    frame = ends.receive()
    ends.wire.close()
    with pytest.raises(EOFError):
        ends.receive()
    ends.intake.close()
    assert (frame.planes[0] == 55).all()
    frame.release()


class Call:
    """What a pickle can do to whoever reads it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.putenv, ("SR4K_CALLED", "1")


@pytest.mark.parametrize(
    "message",
    [
        Call(),
        Ended(Call()),  # type: ignore[arg-type]
        "a word",
        7,
        None,
        Sound("now", b""),  # type: ignore[arg-type]
        Sound(0, b"123"),
        Tally(bytes="many"),  # type: ignore[arg-type]
        Ended("over", final=2),  # type: ignore[arg-type]
        np.zeros(3),
        Picture(0, NOW),  # before it was opened
        Opened(Format((PlaneSpec((100_000, 100_000)),), INFO)),
        Opened(Format((PlaneSpec((-1, 4)),), INFO)),
        Opened(Format((PlaneSpec((4, 4)),))),
        Opened("form"),  # type: ignore[arg-type]
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_no_puller_sends_is_refused_and_nothing_of_it_is_called(ends: Ends, message: object) -> None:
    ends.wire.send(message)
    with pytest.raises(NonsenseError):
        ends.receive()


def test_bytes_that_are_no_message_are_refused(ends: Ends) -> None:
    ends.wire.send_bytes(b"\x80\x05garbage")
    with pytest.raises(NonsenseError):
        ends.receive()


@pytest.mark.parametrize("slot", [-1, SLOTS, 10**9, "0"])
def test_a_slot_that_is_none_is_refused(ends: Ends, slot: Any) -> None:
    ends.open()
    ends.wire.send(Picture(slot, NOW))
    with pytest.raises(NonsenseError):
        ends.receive()


def test_a_format_is_told_once(ends: Ends) -> None:
    ends.open()
    ends.wire.send(Opened(FORM))
    with pytest.raises(NonsenseError):
        ends.receive()


def test_a_message_is_never_large(ends: Ends) -> None:
    sending = threading.Thread(target=lambda: _quietly(ends.wire, pickle.dumps(Sound(0, bytes(8 << 20)))))
    sending.start()
    with pytest.raises((OSError, NonsenseError)):
        ends.receive()
    ends.intake.close()
    sending.join(5)
    assert not sending.is_alive()


def _quietly(wire: Any, message: bytes) -> None:
    with suppress(OSError):
        wire.send_bytes(message)
