from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from clips import MakeClip
from holding import held

from sr4k import Job, load_preset
from sr4k.common.owned_folder import remove_ownerless
from sr4k.errors import InputError, OutputError, StoppedError
from sr4k.jobs.forecast import _Watch, forecast, in_words
from sr4k.media.options import TimeSpan
from sr4k.media.reports import ENCODE
from sr4k.queue.errand import in_child
from sr4k.queue.planning import forecast_of
from sr4k.queue.queued_job import JobOptions

PRESET = load_preset("file").updated("engine", name="nearest").updated("encode", preset="ultrafast")


@pytest.mark.slow
def test_a_forecast_comes_true(make_clip: MakeClip, tmp_path: Path) -> None:
    source, target = make_clip("a.mp4", frames=250, size=(160, 90)), tmp_path / "out.mkv"
    job = Job(source, target, preset=PRESET)
    found = forecast(replace(job, resume=True))  # a job that was ended before its first frame
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]
    assert (found.frames, found.sampled) == (250, 100)
    assert found.memory > 50 << 20
    summary = job.run()
    assert found.bytes == pytest.approx(target.stat().st_size, rel=0.3)
    assert found.seconds is not None
    assert 0 < 250 / found.fps <= found.seconds
    assert found.summary.video.width == summary.video.width


def test_frames_that_come_in_one_burst_tell_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((10.0, 10.004, 12.0))
    monkeypatch.setattr("sr4k.jobs.forecast.time", SimpleNamespace(monotonic=lambda: next(times)))
    watch: Any = _Watch()
    whole: Any = SimpleNamespace(fps=1.5)
    for frames, fps in ((1, 1.5), (10, 1.5), (21, 10.0)):
        watch({"encoder": SimpleNamespace(stages=[SimpleNamespace(name=ENCODE, frames=frames)])})
        assert watch.fps(whole) == fps


@pytest.mark.slow(seconds=1)
def test_a_short_source_or_part_is_done_whole(make_clip: MakeClip, tmp_path: Path) -> None:
    job = Job(make_clip("a.mp4", frames=50), tmp_path / "out.mp4", preset=PRESET.updated("graph", mode="threads"))
    assert forecast(job).sampled == 50
    found = forecast(replace(job, part=TimeSpan(Fraction(1), Fraction("0.4"))))
    assert (found.sampled, found.frames) == (10, 10)


def test_a_part_that_reaches_beyond_the_end_is_as_long_as_the_video(make_clip: MakeClip, tmp_path: Path) -> None:
    job = Job(make_clip("a.mp4", frames=50), tmp_path / "out.mp4", preset=PRESET.updated("graph", mode="threads"))
    found = forecast(replace(job, part=TimeSpan(Fraction(1), Fraction(60))))
    assert (found.sampled, found.frames, found.counted) == (25, 25, True)


def test_frames_at_no_steady_rate_are_not_made_up(make_clip: MakeClip, tmp_path: Path) -> None:
    times = [1000 * n for n in range(30)]
    source = make_clip("a.mkv", pts=times, time_base=Fraction(1, 1000), audio=False)
    found = forecast(Job(source, tmp_path / "out.mp4", preset=PRESET.updated("graph", mode="threads")))
    assert found.frames == pytest.approx(30, abs=3)
    assert not found.counted
    assert any(f"about {found.frames} frames" in line for line in in_words(found))


@pytest.mark.slow(seconds=1)
def test_a_second_pass_is_told_with_what_it_costs(make_clip: MakeClip, tmp_path: Path) -> None:
    preset = PRESET.updated("graph", mode="threads").updated("engine", name="openvino")
    once, twice = (
        forecast(Job(make_clip("a.mp4", frames=3), tmp_path / "out.mp4", preset=preset, scale=scale))
        for scale in (2, 3)
    )
    assert [line for line in in_words(twice) if "on openvino, twice: " in line]
    assert not [line for line in in_words(once) if "twice" in line]
    assert twice.summary.engine.macs > 3 * once.summary.engine.macs


def test_what_would_go_wrong_is_told(make_clip: MakeClip, tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        forecast(Job(make_clip("a.mp4"), tmp_path / "out.mp4", preset=PRESET))
    with pytest.raises(InputError, match="does not exist"):
        forecast(Job(tmp_path / "none.mp4", tmp_path / "b.mp4", preset=PRESET))


@pytest.mark.slow(seconds=1)
def test_of_a_forecast_that_is_killed_nothing_stays(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, place = make_clip(frames=20), tmp_path / "temporary"
    place.mkdir()
    for name, value in {**held(seconds=1), "TMPDIR": str(place)}.items():
        monkeypatch.setenv(name, value)
    given = str(clip), str(tmp_path / "out.mp4"), JobOptions(engine="nearest")
    with pytest.raises(StoppedError):  # as when its job is paused
        in_child(forecast_of, *given, seconds=120, is_over=lambda: any(place.iterdir()))
    assert list(place.iterdir())
    remove_ownerless(place)  # as the next one does
    assert not list(place.iterdir())


def test_in_words(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("a.mkv", frames=10, attachment=b"font")
    words = "\n".join(
        in_words(forecast(Job(source, tmp_path / "out.mp4", preset=PRESET.updated("graph", mode="threads"))))
    )
    assert "64x48 -> " in words
    assert "left out: stream" in words
    assert "10 frames" in words
