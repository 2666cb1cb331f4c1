import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clips import MakeClip

from sr4k import Job, fast_enough
from sr4k.errors import OptionError, StoppedError
from sr4k.media.resume.job_folder import claimed

SPEEDS = {"luma-large": 3.0, "luma": 20.0, "luma-fast": 40.0}


def speed(job: Job) -> float:
    return SPEEDS[job.preset.engine.model]


def chosen(fps: float, **fields: Any) -> Job:
    return fast_enough(Job("in.mp4", "out.mp4", **fields), fps, measure=speed)


@pytest.mark.parametrize(
    ("model", "fps", "found"),
    [
        (None, 10, "luma"),
        (None, 19, "luma-fast"),
        (None, 30, "luma-fast"),
        ("luma-large", 2.5, "luma-large"),
        ("luma-large", 10, "luma"),
        ("luma-large", 30, "luma-fast"),
        ("luma-fast", 10, "luma-fast"),
    ],
)
def test_the_network_is_the_first_that_is_fast_enough_with_room_to_spare(
    model: str | None, fps: float, found: str
) -> None:
    assert chosen(fps, model=model).preset.engine.model == found


def test_a_network_that_holds_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    chosen(10)
    assert not caplog.messages


def test_a_smaller_one_is_said_with_the_speed_of_both(caplog: pytest.LogCaptureFixture) -> None:
    chosen(30)
    assert caplog.messages == [
        "luma makes 20.0 frames a second, and 30.0 are wanted: the network is luma-fast, which makes 40.0."
    ]


def test_if_none_is_fast_enough_it_is_the_fastest_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert chosen(100).preset.engine.model == "luma-fast"
    assert caplog.messages == [
        "luma makes 20.0 frames a second, luma-fast makes 40.0 frames a second, and 100.0 are wanted: no network is "
        "fast enough, and luma-fast is the fastest."
    ]


def test_the_fastest_is_the_one_that_was_measured_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPEEDS, "luma", 41.0)
    assert chosen(100).preset.engine.model == "luma"


def test_all_else_of_the_job_stays() -> None:
    job = chosen(30, crf=30, size="1080p")
    assert (job.preset.encode.crf, job.size) == (30, Job("in.mp4", "out.mp4", size="1080p").size)


def test_weights_of_ones_own_have_no_smaller_network(tmp_path: Path) -> None:
    assert chosen(100, weights=tmp_path).preset.engine.model == "luma"


def test_a_stop_ends_it_before_anything_is_written() -> None:
    with pytest.raises(StoppedError, match="nothing was written"):
        fast_enough(Job("in.mp4", "out.mp4"), 10, stop_requests=lambda: 1, measure=speed)


@pytest.mark.parametrize(("source", "target"), [("in.png", "out.png"), ("in.mp4", "%03d.png"), ("-", "out.mp4")])
def test_pictures_and_pipes_are_refused(source: str, target: str) -> None:
    with pytest.raises(OptionError, match="leave target_fps out"):
        fast_enough(Job(source, target), 10, measure=speed)


def test_a_speed_is_a_frame_rate() -> None:
    assert chosen("20000/1001").preset.engine.model == "luma-fast"  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="isn't a frame rate"):
        chosen("fast")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="1001 frames per second are too many: use at most 1000"):
        chosen(1001)


def test_a_job_that_is_resumed_keeps_the_network_that_it_was_begun_with(make_clip: MakeClip, tmp_path: Path) -> None:
    begun = Job(make_clip("in.mp4", frames=6, audio=False), tmp_path / "out.mp4", model="luma-fast")
    with claimed(begun.target) as parts:
        parts.begin(begun.facts(), resume=False, overwrite=False)
        resumed = fast_enough(replace(begun, model=None, resume=True), 0.001, measure=speed)
        assert resumed.preset.engine.model == "luma-fast"


@pytest.mark.slow
def test_a_job_is_measured_and_runs_with_the_network(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.mp4", frames=6, audio=False)
    job = fast_enough(Job(clip, tmp_path / "out.mp4", workers="threads"), 999)
    summary = job.run()
    assert (summary.engine.model, summary.frames) == (job.preset.engine.model, 6)
