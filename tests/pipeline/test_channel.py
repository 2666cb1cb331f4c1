import threading
import time
from fractions import Fraction

import pytest

from sr4k.pipeline.channel import PeerLostError, Receiver, Sender, create_channel
from sr4k.pipeline.frame import Format, FrameInfo, PlaneSpec

FORMAT = Format((PlaneSpec((3, 5)), PlaneSpec((2,), "float64")), about={"rate": Fraction(30000, 1001)})


@pytest.fixture
def ends() -> tuple[Sender, Receiver]:
    return create_channel(2)


def info(pts: int) -> FrameInfo:
    return FrameInfo(pts=pts, time_base=Fraction(1, 90000), duration=3003)


def test_planes_cross_without_a_copy(ends: tuple[Sender, Receiver]) -> None:
    sender, receiver = ends
    sender.open(FORMAT)
    frame = sender.take(info(7))
    frame.planes[0][:] = 42
    sender.send(frame)
    assert receiver.open() == FORMAT
    received = next(iter(receiver))
    assert received.info == info(7)
    assert (received.planes[0] == 42).all()
    frame.planes[0][:] = 43
    assert (received.planes[0] == 43).all(), "both ends must look at the same memory"


def test_planes_start_on_cache_lines() -> None:
    assert FORMAT.offsets == (0, 64)
    assert FORMAT.nbytes == 64 + 16


@pytest.mark.slow(seconds=1)
def test_taking_waits_until_a_slot_is_given_back(ends: tuple[Sender, Receiver]) -> None:
    sender, receiver = ends
    sender.open(FORMAT)
    receiver.open()
    for pts in (0, 1):
        sender.send(sender.take(info(pts)))
    assert sender.depth == 2
    first = next(iter(receiver))
    threading.Timer(0.5, first.release).start()
    began = time.perf_counter()
    third = sender.take(info(2))
    assert time.perf_counter() - began >= 0.15
    assert sender.waited >= 0.15
    assert third.slot == first.slot


def test_a_frame_not_sent_gives_its_slot_back(ends: tuple[Sender, Receiver]) -> None:
    sender, _ = ends
    sender.open(FORMAT)
    for pts in range(10):
        sender.take(info(pts)).release()
    assert sender.depth == 0


def test_finishing_ends_the_iteration(ends: tuple[Sender, Receiver]) -> None:
    sender, receiver = ends
    sender.open(FORMAT)
    sender.send(sender.take(info(0)))
    sender.finish(complete=True)
    sender.close()
    receiver.open()
    assert [frame.info.pts for frame in receiver] == [0]
    assert receiver.complete


def test_a_vanished_producer_is_not_an_end(ends: tuple[Sender, Receiver]) -> None:
    sender, receiver = ends
    sender.open(FORMAT)
    sender.close()
    receiver.open()
    with pytest.raises(PeerLostError):
        next(iter(receiver))


def test_a_vanished_consumer_stops_the_producer(ends: tuple[Sender, Receiver]) -> None:
    sender, receiver = ends
    sender.open(FORMAT)
    receiver.close()
    with pytest.raises(PeerLostError):
        for pts in range(3):
            sender.send(sender.take(info(pts)))


def test_releasing_after_the_producer_left_is_harmless(ends: tuple[Sender, Receiver]) -> None:
    sender, receiver = ends
    sender.open(FORMAT)
    sender.send(sender.take(info(0)))
    sender.finish(complete=True)
    sender.close()
    receiver.open()
    for frame in receiver:
        frame.release()
