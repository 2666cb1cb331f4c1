import itertools
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sr4k.live.timeline import TICKS, Timeline

FRAME = TICKS // 30
BLOCK = TICKS * 1024 // 48000


def run(
    timeline: Timeline, *, seconds: float, pts: int, now: int, video: bool = True, audio: bool = True, lag: int = 0
) -> list[tuple[str, int, int | None]]:
    """Feed both tracks in order of time, from ``pts`` on; returns track, source pts and output time."""
    events = [("video", k * FRAME) for k in range(int(seconds * 30))] if video else []
    events += [("audio", k * BLOCK) for k in range(int(seconds * 48000 / 1024))] if audio else []
    return [
        (track, pts + at, timeline.place(track, pts + at, now + at + lag))  # type: ignore[arg-type]
        for track, at in sorted(events, key=lambda event: event[1])
    ]


def offsets(placed: list[tuple[str, int, int | None]]) -> set[int]:
    return {out - pts for _, pts, out in placed if out is not None}


def test_a_steady_source_keeps_its_distances_exactly() -> None:
    placed = run(Timeline(), seconds=60, pts=123_456_789, now=77)
    assert len(offsets(placed)) == 1
    assert all(out is not None for *_, out in placed)


@pytest.mark.parametrize("restart", [0, 5_000_000_000, 2**33 - 1, 40 * TICKS])
def test_after_a_restart_the_output_goes_on_and_sound_stays_with_the_picture(restart: int) -> None:
    timeline = Timeline()
    before = run(timeline, seconds=20, pts=100 * TICKS, now=0)
    after = run(timeline, seconds=5, pts=restart, now=22 * TICKS)
    assert len(offsets(after)) == 1
    gap = after[0][2] - before[-1][2]  # type: ignore[operator]
    assert gap == pytest.approx(2 * TICKS, abs=0.1 * TICKS)


def test_the_tracks_may_change_over_one_after_the_other() -> None:
    timeline = Timeline()
    run(timeline, seconds=20, pts=100 * TICKS, now=0)
    seen = []
    for k in range(60):  # sound comes from the new publisher while pictures still come from the old one
        now = 20 * TICKS + k * FRAME
        seen.append(("audio", k * FRAME, timeline.place("audio", k * FRAME, now)))
        if k < 20:
            timeline.place("video", 120 * TICKS + k * FRAME, now)
        else:
            seen.append(("video", k * FRAME, timeline.place("video", k * FRAME, now)))
    assert len(offsets(seen)) == 1


def test_what_was_held_back_and_comes_at_once_is_left_out_until_it_has_caught_up() -> None:
    timeline = Timeline()
    first = run(timeline, seconds=10, pts=0, now=0)
    held = [(k, timeline.place("video", 10 * TICKS + k * FRAME, 14 * TICKS + k)) for k in range(120)]
    kept = [(k, out) for k, out in held if out is not None]
    assert kept[0][0] > 80, "what is older than a second is of no use"
    assert {out - 10 * TICKS - k * FRAME for k, out in kept} == offsets(first)
    live = run(timeline, seconds=2, pts=14 * TICKS, now=14 * TICKS)
    assert offsets(live) == offsets(first)


def test_a_source_that_was_frozen_and_goes_on_where_it_was_is_taken_up_soon() -> None:
    timeline = Timeline()
    run(timeline, seconds=10, pts=0, now=0)
    after = run(timeline, seconds=5, pts=10 * TICKS, now=13 * TICKS)
    lost = sum(out is None for track, _, out in after if track == "video")
    assert lost < 20
    assert len(offsets(after)) == 1


@pytest.mark.parametrize("usual", [0.4, 0.5, 0.6, 0.7])
def test_sound_stays_with_the_picture_while_a_machine_is_too_busy_to_be_in_time(usual: float) -> None:
    def late(seconds: float) -> float:
        """Return how late a sample is: more than the tolerance once, then now more, now less, then not any more."""
        if not 5 <= seconds < 25:
            return 0.0
        return min(1.6, seconds - 5) if seconds < 10 else usual + 0.6 * math.sin(6 * seconds)

    sent = [("video", k * TICKS // 25) for k in range(30 * 25)] + [("audio", k * BLOCK) for k in range(30 * 46)]
    decoding = {"video": 0.08, "audio": 0.0}
    came = sorted((pts + round(TICKS * (late(pts / TICKS) + decoding[kind])), kind, pts) for kind, pts in sent)
    timeline, used = Timeline(), dict[str, dict[int, int]](video={}, audio={})  # offset at each picture of the source
    for now, kind, pts in came:
        if (out := timeline.place(kind, pts, now)) is not None:  # type: ignore[arg-type]
            used[kind][pts * 25 // TICKS] = out - pts
    both = used["video"].keys() & used["audio"].keys()
    apart = [number for number in both if used["video"][number] != used["audio"][number]]
    assert len(both) > 300
    assert len(apart) <= 4, "one or two where the offset changes"


def test_pictures_whose_clock_stands_still_go_on_by_ours() -> None:
    timeline = Timeline()
    run(timeline, seconds=5, pts=0, now=0, audio=False)
    stuck = [timeline.place("video", 5 * TICKS, 5 * TICKS + k * FRAME) for k in range(90)]
    assert [b - a for a, b in itertools.pairwise(stuck)] == [FRAME] * 89  # type: ignore[operator]


@pytest.mark.parametrize("ppm", [-300, 300])
def test_clocks_that_differ_are_followed_for_days(ppm: int) -> None:
    timeline, out = Timeline(), []
    for k in range(0, 24 * 3600):  # a picture a second
        now = k * TICKS + k * TICKS * ppm // 1_000_000
        out.append(timeline.place("video", k * TICKS, now))
    assert {b - a for a, b in itertools.pairwise(out)} == {TICKS}  # type: ignore[operator]


@given(st.lists(st.tuples(st.sampled_from(["video", "audio"]), st.integers(-(2**33), 2**33), st.integers(0, 2**20))))
def test_output_times_of_pictures_grow_whatever_comes(samples: list[tuple[str, int, int]]) -> None:
    def placed() -> Iterator[int]:
        timeline, now = Timeline(), 0
        for track, pts, later in samples:
            now += later
            out = timeline.place(track, pts, now)  # type: ignore[arg-type]
            if track == "video" and out is not None:
                assert abs(out - now) <= 3 * TICKS + 2**20
                yield out

    out = list(placed())
    assert all(b > a for a, b in itertools.pairwise(out))
