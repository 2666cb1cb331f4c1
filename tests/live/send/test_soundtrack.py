import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sr4k.live.audio_blocks import pack, unpack
from sr4k.live.send.soundtrack import BLOCK, Soundtrack, position
from sr4k.live.timeline import TICKS


def block(value: int, count: int = BLOCK) -> np.ndarray:
    return np.full((count, 2), value, np.int16)


def pts(samples: int) -> int:
    return samples * TICKS // 48000


def heard(track: Soundtrack, until: int = 1000 * TICKS) -> np.ndarray:
    return np.concatenate([samples[:, 0] for _, samples in track.blocks(until)] or [np.empty(0, np.int16)])


def test_blocks_whose_times_are_rounded_are_joined_without_a_seam() -> None:
    track = Soundtrack(TICKS)
    for k in range(10):
        track.add(TICKS + pts(k * BLOCK) // 90 * 90, block(k + 1))
    assert heard(track).tolist() == np.repeat(np.arange(1, 11), BLOCK).tolist()
    assert track.silence == 0


def test_a_gap_is_silence_and_what_follows_is_in_its_place() -> None:
    track = Soundtrack(0)
    track.add(0, block(1))
    track.add(pts(3 * BLOCK), block(2))
    assert heard(track).tolist() == [1] * BLOCK + [0] * 2 * BLOCK + [2] * BLOCK


def test_what_overlaps_is_cut() -> None:
    track = Soundtrack(0)
    track.add(0, block(1, 2 * BLOCK))
    track.add(0, block(2))
    track.add(0, block(3, 3 * BLOCK))
    assert heard(track).tolist() == [1] * 2 * BLOCK + [3] * BLOCK


def test_sound_runs_no_further_than_asked_for() -> None:
    track = Soundtrack(0)
    track.add(0, block(1, 10 * BLOCK))
    assert [at for at, _ in track.blocks(pts(3 * BLOCK))] == [0, BLOCK, 2 * BLOCK]
    assert [at for at, _ in track.blocks(pts(4 * BLOCK))] == [3 * BLOCK]


def test_silence_is_made_up_to_a_time_and_never_twice() -> None:
    track = Soundtrack(TICKS)
    track.fill(3 * TICKS)
    track.fill(2 * TICKS)
    assert track.end == 3 * TICKS
    assert track.silence == 2 * 48000


@given(st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 5000))))
def test_samples_never_stray_from_their_time_by_more_than_a_few_milliseconds(blocks: list[tuple[int, int]]) -> None:
    track = Soundtrack(0)
    for at, count in blocks:
        before = position(track.end)
        track.add(at, block(5, count))
        if position(at) >= before - 1 and position(track.end) > before:
            assert abs(track.offset) <= 0.0201


def test_messages_survive_the_way() -> None:
    time, samples = unpack(pack(-5, block(-3).astype("<i2").tobytes()))
    assert time == -5
    assert samples.shape == (BLOCK, 2)
    assert (samples == -3).all()


def test_a_position_is_a_whole_sample() -> None:
    assert [position(p) for p in (0, 15, TICKS)] == [0, 8, pytest.approx(48000)]
