import fcntl
import inspect
import math
import os
import pickle
import threading
from collections.abc import Iterator
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sr4k.live.receive import link_checks
from sr4k.live.receive.link import (
    SLOTS,
    Ended,
    FilledSlot,
    IntakeEnd,
    NonsenseError,
    Opened,
    PullerEnd,
    Sound,
    Tally,
    create_link,
)
from sr4k.live.timeline import TIME_BASE
from sr4k.live.wire_format import pack
from sr4k.media.decoded_picture import padded_format
from sr4k.media.video import ColourTags, VideoInfo
from sr4k.models.colour import Colour
from sr4k.pipeline import Format, Frame, FrameInfo, PlaneSpec
from sr4k.pipeline.channel import Memory

INFO = VideoInfo(
    width=64,
    height=48,
    time_base=TIME_BASE,
    rate=Fraction(25),
    sample_aspect_ratio=Fraction(4, 3),
    tags=ColourTags(6, 1, 6, 6),
    colour=Colour("bt601"),
    display_matrix=tuple(range(9)),
)
FORM = padded_format(INFO)
NOW = FrameInfo(pts=7, time_base=TIME_BASE, duration=0, born=1.5)


class Ends:
    """Both ends of a link, in one process."""

    def __init__(self) -> None:
        ours, self.wire = create_link()
        memory = Memory.create()
        self.intake = IntakeEnd(ours, memory)
        self.puller = PullerEnd(self.wire, memory.duplicate())

    def open(self, form: Format = FORM) -> None:
        opening = threading.Thread(target=self.puller.open, args=(form,))
        opening.start()
        assert self.intake.receive(5) == Opened(form)
        self.intake.make_room()
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
    """An object whose pickle runs code when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.putenv, ("SR4K_CALLED", "1")


@pytest.mark.parametrize("message", [Call(), Ended("over"), Fraction(1, 2)], ids=lambda message: type(message).__name__)
def test_no_pickle_is_read(ends: Ends, message: object) -> None:
    ends.wire.send(pickle.dumps(message))
    with pytest.raises(NonsenseError):
        ends.receive()
    assert "SR4K_CALLED" not in os.environ


def info(**changes: Any) -> VideoInfo:
    return replace(INFO, **changes)


def opened(**changes: Any) -> Opened:
    return Opened(padded_format(info(**changes)))


@pytest.mark.parametrize(
    "message",
    [
        Sound("now", b""),  # type: ignore[arg-type]
        Sound(0, b"123"),
        Sound(0, 3),  # type: ignore[arg-type]
        Sound(10**30, b""),
        Sound(True, b""),
        Tally(bytes="many"),  # type: ignore[arg-type]
        Tally(pictures=-1),
        Tally(full=10**4000),
        Tally(damaged=0.5),  # type: ignore[arg-type]
        Ended("over", final=2),  # type: ignore[arg-type]
        Ended(b"over"),  # type: ignore[arg-type]
        Ended(Fraction(1, 2)),  # type: ignore[arg-type]
        FilledSlot(0, NOW),  # before it was opened
        INFO,
        Opened(FORM, 7),  # type: ignore[arg-type]
        Opened("form"),  # type: ignore[arg-type]
        Opened(FORM.planes),  # type: ignore[arg-type]
        Opened(Format((PlaneSpec((4, 4)),))),
        Opened(Format((PlaneSpec((100_000, 100_000)),), INFO)),
        Opened(Format((PlaneSpec((-1, 4)),), INFO)),
        Opened(Format((PlaneSpec((1 << 30,) * 1000),), INFO)),
        Opened(replace(FORM, about=info(width=66))),
        opened(width=1 << 13, height=1 << 13),
        opened(time_base=Fraction(1, 1000)),
        opened(rate=Fraction(0)),
        opened(rate=25),
        opened(sample_aspect_ratio=Fraction(-1)),
        opened(sample_aspect_ratio=1.5),
        opened(tags=None),
        opened(tags=ColourTags(300, 1, 6, 6)),
        opened(tags=ColourTags(1, 1, 6, "6")),  # type: ignore[arg-type]
        opened(source_tags=7),
        opened(colour=Colour("bt601", bits=10)),
        opened(colour=Colour("bt601", full_range=1)),  # type: ignore[arg-type]
        opened(colour=Colour("\x1b[31m")),  # type: ignore[arg-type]
        opened(display_matrix=(1, 2)),
        opened(pixel_format="rgb24"),
        opened(hdr="yes"),
        opened(origin=Fraction(1)),
        opened(quality=52),
        opened(quality=2.5),
    ],
    ids=repr,
)
def test_what_no_puller_says_is_refused(ends: Ends, message: object) -> None:
    ends.wire.send(pack(message))
    with pytest.raises(NonsenseError):
        ends.receive()


def test_what_is_left_out_is_told_in_one_short_line(ends: Ends) -> None:
    ends.wire.send(pack(Opened(FORM, "one\x1b[31m\nand" + 1000 * " another")))
    told = ends.intake.receive(5)
    assert isinstance(told, Opened)
    assert told.left_out.startswith("one [31m and another")
    assert told.left_out.isprintable()
    assert len(told.left_out) < 310


def test_all_that_is_said_of_pictures_is_checked() -> None:
    """Whoever adds to these adds to `sr4k.live.receive.link_checks`."""
    said = {f.name for f in fields(VideoInfo)} | {f.name for f in fields(FrameInfo)} | {f.name for f in fields(Colour)}
    code = inspect.getsource(link_checks)
    assert [name for name in said if f".{name}" not in code] == []


@pytest.mark.parametrize(
    "packed",
    [
        b"garbage",
        b"null",
        b"[]",
        b"[" * 60_000,
        b'{"is":"Sound"}',
        b'{"is":"Sound","pts":1,"samples":{"rest":4}}\n12345678',
        b'{"is":"Popen","args":["x"]}',
        b'{"is":["Sound"],"pts":1}',
        b'{"is":"Sound","pts":1,"samples":{"rest":0},"more":1}',
        b'{"is":"Sound","pts":' + b"9" * 60_000 + b',"samples":{"rest":0}}',
        b'{"is":"Sound","pts":1e999,"samples":{"rest":0}}',
        b'{"is":"Ended","reason":{"/":[1,0]},"final":false}',
        b'{"is":"Ended","reason":{"/":["1e9","1"]},"final":false}',
        b'{"is":"Ended","reason":"\xff","final":false}',
    ],
    ids=lambda packed: str(packed[:40]),
)
def test_bytes_that_are_no_message_are_refused(ends: Ends, packed: bytes) -> None:
    ends.wire.send(packed)
    with pytest.raises(NonsenseError):
        ends.receive()


@pytest.mark.parametrize(
    "changes",
    [
        {"pts": 10**30},
        {"pts": 0.5},
        {"time_base": Fraction(1, 1000)},
        {"duration": "boom"},
        {"lost": -1},
        {"plain": None},
        {"quality": 52},
        {"quality": -1},
        {"born": math.nan},
        {"born": math.inf},
        {"born": 10**400},
        {"born": 1e12},
    ],
    ids=repr,
)
def test_a_picture_with_impossible_times_or_marks_is_refused(ends: Ends, changes: dict[str, Any]) -> None:
    ends.open()
    ends.wire.send(pack(FilledSlot(0, replace(NOW, **changes))))
    with pytest.raises(NonsenseError):
        ends.receive()


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ('\x1b[31mred\x1b[0m\r\n{"level": 1}\x07', '[31mred [0m {"level": 1}'),
        ("a\u202eb\u2028c\x9bd\0e", "a b c d e"),
        ("häufig – 100 %", "häufig – 100 %"),
        ("x" * 50_000, f"{'x' * 300} …"),
    ],
)
def test_a_reason_is_one_short_line_that_a_terminal_only_shows(ends: Ends, reason: str, told: str) -> None:
    ends.puller.end(Ended(reason))
    assert ends.receive() == Tally()
    assert ends.receive() == Ended(told)


def test_the_pullers_side_can_not_shrink_the_memory_of_pictures(ends: Ends) -> None:
    ends.open()
    for take in (lambda fd: os.ftruncate(fd, 0), lambda fd: fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)):
        with pytest.raises(PermissionError):
            take(ends.puller._memory.fileno())
    ends.send(33)
    assert (ends.receive().planes[0] == 33).all()


@pytest.mark.parametrize("slot", [-1, SLOTS, 10**9, "0", True])
def test_a_slot_that_is_none_is_refused(ends: Ends, slot: Any) -> None:
    ends.open()
    ends.wire.send(pack(FilledSlot(slot, NOW)))
    with pytest.raises(NonsenseError):
        ends.receive()


def test_a_format_is_told_once(ends: Ends) -> None:
    ends.open()
    ends.wire.send(pack(Opened(FORM)))
    with pytest.raises(NonsenseError):
        ends.receive()


def test_the_last_word_of_a_puller_that_did_not_listen_is_heard(ends: Ends) -> None:
    ends.open()
    ends.send(1)
    ends.receive().release()
    ends.puller.end(Ended("enough"))
    ends.wire.close()
    assert [ends.receive(), ends.receive()] == [Tally(), Ended("enough")]
    with pytest.raises(EOFError):
        ends.receive()


@pytest.mark.parametrize("length", [1 << 16, 1 << 17])
def test_a_message_is_never_large(ends: Ends, length: int) -> None:
    ends.wire.send(pack(Sound(0, bytes(length))))
    with pytest.raises(NonsenseError):
        ends.receive()


def test_a_message_that_is_not_finished_keeps_nobody_waiting(ends: Ends) -> None:
    ends.wire.send(pack(Sound(0, bytes(400)))[:-4])
    with pytest.raises(NonsenseError):
        ends.receive()


@pytest.mark.slow(seconds=1)
def test_a_puller_that_does_not_listen_keeps_nobody_waiting(ends: Ends) -> None:
    ends.open()
    for _ in range(5000):
        ends.wire.send(pack(FilledSlot(0, NOW)))
        ends.receive().release()
