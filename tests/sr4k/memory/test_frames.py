"""Frames in memory, many of them: in order, several in flight, and no more."""

import threading
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sr4k import OptionError, Upscaler
from sr4k.memory.passages import KEPT

Array = NDArray[Any]


def numbered(number: int, size: tuple[int, int] = (8, 12)) -> Array:
    return np.full((*size, 3), number, np.uint8)


@pytest.fixture
def nearest() -> Upscaler:
    return Upscaler(engine="nearest")


@pytest.fixture(scope="module")
def luma() -> Upscaler:
    return Upscaler()


def test_each_frame_is_what_a_call_makes_of_it_in_order(luma: Upscaler) -> None:
    frames = [np.random.default_rng(k).integers(0, 256, (16, 24, 3), np.uint8) for k in range(7)]
    for made, frame in zip(luma.frames(iter(frames)), frames, strict=True):
        np.testing.assert_array_equal(made, luma(frame))


def test_several_are_in_flight_and_never_more_than_the_engine_takes(luma: Upscaler) -> None:
    ahead, taken = [], 0

    def frames() -> Iterator[Array]:
        nonlocal taken
        for k in range(12):
            taken += 1
            yield numbered(k)

    for done, _ in enumerate(luma.frames(frames())):
        ahead.append(taken - done)
    assert 2 <= max(ahead) <= 4
    assert taken == 12


def test_the_engine_works_while_the_caller_does(luma: Upscaler) -> None:
    results = luma.frames([np.zeros((90, 160, 3), np.uint8)] * 3)
    next(results)
    (engine,) = (engine for line in luma._passages._open for engine in working(line._passage._stages))
    assert len(engine._running) == engine.in_flight - 1
    deadline = time.monotonic() + 60
    while not all(request.wait_for(0) for request in engine._running):  # nobody fetches them
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(list(results)) == 2


def working(stages: Sequence[Any]) -> Iterator[Any]:
    """Yield the engines that have frames in flight."""
    engines = (stage._engines.now for stage in stages if getattr(stage, "_engines", None) is not None)
    yield from (engine for engine in engines if engine.pending > 0)


def test_a_frame_whose_memory_is_used_again_has_been_copied(nearest: Upscaler) -> None:
    memory = numbered(0)

    def captured() -> Iterator[Array]:
        for k in range(6):
            memory[:] = k
            yield memory

    assert [made[0, 0, 0] for made in nearest.frames(captured())] == list(range(6))


def test_results_are_the_callers_own(nearest: Upscaler) -> None:
    results = list(nearest.frames(numbered(k) for k in range(5)))
    assert [result[0, 0, 0] for result in results] == list(range(5))
    assert not any(np.shares_memory(results[0], other) for other in results[1:])


@pytest.mark.slow(seconds=1)
def test_sizes_and_kinds_may_change_on_the_way(luma: Upscaler) -> None:
    kinds = [numbered(1), numbered(2), numbered(3, (5, 7)), numbered(4)[..., 0], numbered(5).astype(np.uint16)]
    made = list(luma.frames(kinds + [numbered(k, (4 + k, 9)) for k in range(6)]))
    assert [each.shape[:2] for each in made[:5]] == [(16, 24), (16, 24), (10, 14), (16, 24), (16, 24)]
    assert made[3].ndim == 2 and made[4].dtype == np.uint16
    assert [each.shape[0] for each in made[5:]] == [8, 10, 12, 14, 16, 18]
    assert len(luma._passages._open) <= KEPT


def test_no_frames_make_no_results(nearest: Upscaler) -> None:
    assert not list(nearest.frames([]))
    assert not nearest._passages._open


@pytest.mark.parametrize("channels", [3, 4])
def test_one_picture_is_not_read_as_its_rows(channels: int, nearest: Upscaler) -> None:
    with pytest.raises(OptionError, match=r"is one picture.*: pass \[frame\]"):
        nearest.frames(np.zeros((8, 12, channels), np.uint8))
    assert len(list(nearest.frames(np.zeros((2, 8, 12, 3), np.uint8)))) == 2


def test_an_exception_in_the_iterable_comes_after_the_results_before_it(luma: Upscaler) -> None:
    def broken() -> Iterator[Array]:
        for k in range(4):
            yield numbered(k)
        raise OSError("the camera is gone")

    results = luma.frames(broken())
    for _ in range(4):
        next(results)
    with pytest.raises(OSError, match="the camera is gone"):
        next(results)
    assert len(list(luma.frames([numbered(1)] * 3))) == 3


def test_so_does_a_frame_that_is_refused(nearest: Upscaler) -> None:
    results = nearest.frames([numbered(1), numbered(2) / 255])
    assert next(results).shape == (16, 24, 3)
    with pytest.raises(OptionError, match="reach to 1"):
        next(results)


def test_closed_early_it_leaves_nothing_running_and_the_engine_as_good_as_before(luma: Upscaler) -> None:
    frame, taken = numbered(9), []

    def endless() -> Iterator[Array]:
        while True:
            taken.append(threading.current_thread())
            yield frame

    expected = luma(frame)
    results = luma.frames(endless())
    next(results)
    results.close()
    count, passages = len(taken), luma._passages
    assert count <= 4 and set(taken) == {threading.current_thread()}
    assert {line for _, line in passages._idle} == passages._open
    for made in luma.frames([frame] * 4):
        np.testing.assert_array_equal(made, expected)
    assert len(taken) == count


def test_what_a_callers_signal_interrupts_is_thrown_away_and_the_next_begins_anew(nearest: Upscaler) -> None:
    def interrupted() -> Iterator[Array]:
        yield numbered(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(nearest.frames(interrupted()))
    assert not nearest._passages._open
    assert len(list(nearest.frames([numbered(1)]))) == 1


def test_iterators_run_side_by_side_and_beside_calls(luma: Upscaler) -> None:
    dark, bright = ([numbered(k)] * 5 for k in (10, 200))
    for made, other in zip(luma.frames(dark), luma.frames(bright), strict=True):
        assert made.mean() < 20 < 190 < other.mean()
        assert luma(numbered(100)).mean() == pytest.approx(100, abs=2)


def test_still_parts_of_planes_are_not_computed_again(luma: Upscaler) -> None:
    rng = np.random.default_rng(1)
    y, u = rng.integers(0, 256, (128, 256), np.uint8), rng.integers(0, 256, (64, 128), np.uint8)
    moved = y.copy()
    moved[:8, :8] ^= 255
    made = list(luma.yuv420_frames([(y, u, u), (moved, u, u), (y, u, u)]))
    for planes, expected in zip(made, (y, moved, y), strict=True):
        for plane, wanted in zip(planes, luma.yuv420(expected, u, u), strict=True):
            np.testing.assert_array_equal(plane, wanted)


def test_planes_that_are_no_pair_and_no_three_are_refused(nearest: Upscaler) -> None:
    with pytest.raises(OptionError, match="A frame of 1 planes is not 4:2:0"):
        next(nearest.yuv420_frames([(np.zeros((4, 4), np.uint8),)]))


def test_what_holds_no_frames_is_refused_in_a_sentence(nearest: Upscaler) -> None:
    nothing: Any = None
    for several in (nearest.frames, nearest.yuv420_frames):
        with pytest.raises(OptionError, match=r"come from an iterable, and this is a .*NoneType: "):
            several(nothing)
    flat: Any = (np.zeros((4, 4), np.uint8),) * 3
    with pytest.raises(OptionError, match=r"is \(y, u, v\), or \(y, uv\), and this is a numpy.ndarray"):
        next(nearest.yuv420_frames(flat))


def test_memory_does_not_grow_with_the_number_of_frames(luma: Upscaler) -> None:
    frame = np.zeros((90, 160, 3), np.uint8)
    list(luma.frames([frame] * 3))
    tracemalloc.start()
    try:
        peaks = []
        for _ in luma.frames(frame for _ in range(40)):
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert peaks[-1] < peaks[5] + 0.5 * 4 * frame.nbytes
