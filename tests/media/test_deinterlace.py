"""Interlaced sources in whole jobs, without the network."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import MakeClip, luma_planes, video_times
from interlaced import combing, write_interlaced, write_mixed
from numpy.typing import NDArray

from sr4k import Job, Summary, load_preset
from sr4k.media.options import Deinterlace, TimeSpan
from sr4k.models.geometry import PAD_AFTER, PAD_BEFORE
from sr4k.pipeline.chain import HeapBuffers
from sr4k.stages.decode import Decode
from sr4k.stages.settings import DecodeSettings

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
LOSSLESS = PRESET.updated("encode", preset="ultrafast", crf=0)


def upscale(source: Path, target: Path, deinterlace: Deinterlace = "auto", **job: Any) -> Summary:
    return Job(source, target, preset=LOSSLESS, deinterlace=deinterlace, **job).run()


def bar(plane: NDArray[np.uint8]) -> float:
    """Return the position of the bar's middle, in pixels of the source."""
    bright = np.flatnonzero(plane[plane.shape[0] // 2 - 8 : plane.shape[0] // 2 + 8].mean(axis=0) > 170)
    return float(bright.mean()) / 2


SOURCES = [("mpeg2video", "ts"), ("mpeg2video", "mkv"), ("libx264", "mp4"), ("mpeg4", "avi"), ("ffv1", "mkv")]


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "suffix"), SOURCES)
@pytest.mark.parametrize("top_first", [True, False], ids=["top first", "bottom first"])
def test_each_picture_gives_one_at_its_time_without_combs(
    codec: str, suffix: str, top_first: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write_interlaced(tmp_path / f"in.{suffix}", codec=codec, top_first=top_first)
    summary = upscale(source, tmp_path / "out.mp4")
    assert video_times(tmp_path / "out.mp4") == video_times(source)
    assert (summary.frames, summary.source.interlaced, summary.damaged) == (8, 8, False)
    assert caplog.text.count("interlaced frames are deinterlaced, one frame for each") == 1
    planes = luma_planes(tmp_path / "out.mp4")
    assert max(combing(plane[::2]) for plane in planes[1:-1]) < 2
    upscale(source, tmp_path / "combed.mp4", "off")
    assert min(combing(plane[::2]) for plane in luma_planes(tmp_path / "combed.mp4")) > 5


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_the_result_is_progressive(suffix: str, tmp_path: Path) -> None:
    upscale(write_interlaced(tmp_path / "in.ts"), tmp_path / f"out.{suffix}")
    with av.open(str(tmp_path / f"out.{suffix}")) as result:
        assert not any(picture.interlaced_frame for picture in result.decode(video=0))
        assert result.streams.video[0].codec_context.field_order == 1


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(("codec", "suffix"), SOURCES)
@pytest.mark.parametrize("top_first", [True, False], ids=["top first", "bottom first"])
def test_each_field_may_give_one_halfway_to_the_next(
    codec: str, suffix: str, top_first: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write_interlaced(tmp_path / f"in.{suffix}", codec=codec, top_first=top_first)
    summary = upscale(source, tmp_path / "out.mp4", "double")
    times = video_times(source)
    assert video_times(tmp_path / "out.mp4") == [time + late for time in times for late in (0, Fraction(1, 50))]
    assert (summary.frames, summary.source.interlaced, summary.source.rate) == (16, 8, 50)
    assert "two frames for each" in caplog.text
    assert not summary.damaged
    moves = np.diff([bar(plane) for plane in luma_planes(tmp_path / "out.mp4")[1:-1]])
    assert moves == pytest.approx(4, abs=1.5)  # always forward: the fields are in the right order


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("mode", ["auto", "double"])
def test_uneven_times_stay_exact(mode: Deinterlace, tmp_path: Path) -> None:
    times = [3, 4, 7, 8, 15, 16, 19, 20]
    source = write_interlaced(tmp_path / "in.mp4", codec="libx264", pts=times)
    upscale(source, tmp_path / "out.mp4", mode)
    halves = [Fraction(a + b, 2) for a, b in zip(times, [*times[1:], 21], strict=True)]
    expected = [Fraction(t) for t in times] if mode == "auto" else sorted([*map(Fraction, times), *halves])
    assert video_times(tmp_path / "out.mp4") == [time / 25 for time in expected]


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(
    "progressive", [range(4), range(4, 8), range(3, 5), range(0, 8, 2)], ids=["first", "last", "between", "every other"]
)
@pytest.mark.parametrize("mode", ["auto", "double"])
def test_progressive_pictures_among_them_stay_as_they_are(
    mode: Deinterlace, progressive: range, tmp_path: Path
) -> None:
    source = write_mixed(tmp_path / "in.ts", progressive)
    summary = upscale(source, tmp_path / "out.mkv", mode)
    assert summary.source.interlaced == 8 - len(progressive)
    made, there = luma_planes(tmp_path / "out.mkv"), luma_planes(source)
    places = [sum(1 if n in progressive or mode == "auto" else 2 for n in range(number)) for number in range(9)]
    assert len(made) == places[-1]
    for number, plane in enumerate(there):
        same = np.array_equal(made[places[number]], plane.repeat(2, axis=0).repeat(2, axis=1))
        assert same == (number in progressive), number
    shown = video_times(tmp_path / "out.mkv")
    assert [shown[place] for place in places[:-1]] == pytest.approx(video_times(source), abs=0.0006)


@pytest.mark.parametrize("mode", ["auto", "double"])
def test_progressive_sources_are_left_alone(
    mode: Deinterlace, make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise AssertionError("a filter was set up")

    monkeypatch.setattr("sr4k.media.deinterlace.Graph", refuse)
    source = make_clip("in.mp4")
    summary = upscale(source, tmp_path / "out.mp4", mode)
    assert (summary.frames, summary.source.interlaced, summary.source.rate) == (10, 0, 25)
    assert video_times(tmp_path / "out.mp4") == video_times(source)


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize(("mode", "each"), [("auto", 1), ("double", 2)])
def test_few_pictures_are_all_there(mode: Deinterlace, each: int, frames: int, tmp_path: Path) -> None:
    source = write_interlaced(tmp_path / "in.mkv", codec="libx264", frames=frames)
    upscale(source, tmp_path / "out.mkv", mode)
    expected = [Fraction(k, 25 * each) for k in range(each * frames)]
    assert video_times(tmp_path / "out.mkv") == pytest.approx(expected, abs=0.0006)


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("start", [0, Fraction(12, 25), Fraction(13, 25)], ids=["begin", "key frame", "after it"])
def test_a_part_has_the_pictures_of_the_whole(start: Fraction, tmp_path: Path) -> None:
    source = write_interlaced(tmp_path / "in.mkv", frames=30)  # a key frame every 12
    upscale(source, tmp_path / "all.mkv")
    upscale(source, tmp_path / "part.mkv", part=TimeSpan(Fraction(start), Fraction(5, 25)))
    first = int(start * 25)
    made = luma_planes(tmp_path / "part.mkv")
    assert np.array_equal(made, luma_planes(tmp_path / "all.mkv")[first : first + len(made)])
    assert len(made) == 5


def decoded(settings: DecodeSettings) -> list[tuple[int, bytes]]:
    """Return pts and luma of every picture."""
    stage = Decode(settings)
    try:
        buffers = HeapBuffers(stage.open())
        return [
            (frame.info.pts, frame.planes[0][PAD_BEFORE:-PAD_AFTER, PAD_BEFORE:-PAD_AFTER].tobytes())
            for frame in stage.frames(buffers)
        ]
    finally:
        stage.close()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "double"])
@pytest.mark.parametrize(("codec", "suffix"), [("mpeg2video", "ts"), ("mpeg2video", "mkv"), ("libx264", "mp4")])
def test_a_resumed_job_has_the_same_pictures(mode: Deinterlace, codec: str, suffix: str, tmp_path: Path) -> None:
    settings = DecodeSettings(
        path=write_interlaced(tmp_path / f"in.{suffix}", codec=codec, frames=40), deinterlace=mode
    )
    whole = decoded(settings)
    assert len(whole) == (40 if mode == "auto" else 80)
    for done in (0, 11, 12, 13, 24, 25, 37):
        rest = decoded(replace(settings, done_until=whole[done][0], done_frames=done + 1))
        assert [pts for pts, _ in rest] == [pts for pts, _ in whole[done + 1 :]]
        assert rest == whole[done + 1 :], done


def test_a_picture_too_small_for_the_filter_stays_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = write_interlaced(tmp_path / "in.mkv", codec="ffv1", size=(4, 4))
    summary = upscale(source, tmp_path / "out.mkv")
    assert "4x4 is too small to be deinterlaced" in caplog.text
    assert summary.frames == 8


@pytest.mark.slow
def test_in_processes_and_with_the_network_as_well(tmp_path: Path) -> None:
    source = write_interlaced(tmp_path / "in.ts", frames=4)
    preset = load_preset("file").updated("engine", name="openvino")
    assert Job(source, tmp_path / "out.mp4", preset=preset).run().frames == 4
    assert video_times(tmp_path / "out.mp4") == video_times(source)
