"""Pictures at the beginning without a pts get evenly spaced times that lead up to the first pts."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from clips import MakeClip, packet_bytes, video_times
from piping import piped

from sr4k import Job, load_preset
from sr4k.media.options import ReadSettings, TimeSpan
from sr4k.media.reading.reader import VideoReader
from sr4k.media.reports import DecodeReport

STEP = Fraction(1, 25)
BEFORE = 23
"""Number of pictures before 0."""


def earlier(clip: Path, path: Path) -> Path:
    """Copy the packets, shifted so that the first pictures are displayed before 0, which Matroska can't store."""
    with av.open(str(clip)) as source, av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as target:
        chapter = {"id": 1, "start": 0, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": "From 0"}}
        target.set_chapters([chapter])
        copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            by = round(BEFORE * STEP / packet.time_base)
            packet.pts, packet.dts = packet.pts - by, packet.dts - by
            packet.stream = copies[packet.stream.index]
            target.mux(packet)
    return path


@pytest.fixture
def source(make_clip: MakeClip, tmp_path: Path) -> Path:
    clip = make_clip("in.mp4", frames=50, options={"preset": "veryfast", "g": "40", "bf": "2", "crf": "30"})
    return earlier(clip, tmp_path / "early.mkv")


def decoded(path: Path, after: int | None = None, **settings: Any) -> tuple[list[int], DecodeReport]:
    with VideoReader(ReadSettings(path=path, strict=True, **settings)) as reader:
        if after is not None:
            reader.resume_after(after)
        return [info.pts for _, info in reader.pictures()], reader.report()


def test_they_are_counted_back_from_the_first_known_pts(source: Path) -> None:
    with av.open(str(source)) as container:
        assert [picture.pts for picture in container.decode(video=0)][:BEFORE] == [None] * BEFORE
    found, told = decoded(source)
    assert [pts - found[0] for pts in found] == [40 * number for number in range(50)]
    assert 0 <= found[0] <= 40
    assert told.source.expected_seconds == pytest.approx(2, abs=0.05)
    assert told.losses.retimed == 0


def test_they_are_held_back_where_the_video_comes_through_a_pipe(source: Path) -> None:
    with piped(source.read_bytes()) as pipe, VideoReader(ReadSettings(path=source), pipe=pipe) as reader:
        assert [info.pts for _, info in reader.pictures()] == decoded(source)[0]


@pytest.mark.slow(seconds=1)
def test_they_have_the_same_times_after_an_interruption(source: Path) -> None:
    whole, _ = decoded(source)
    for done in (1, 12, BEFORE, 45):
        assert decoded(source, after=whole[done - 1])[0] == whole[done:], done


def test_a_part_begins_among_them(source: Path) -> None:
    found, _ = decoded(source, part=TimeSpan(Fraction(1, 2), Fraction(1)))
    assert len(found) == 25
    assert {after - before for before, after in pairwise(found)} == {40}


def test_a_part_of_what_cannot_be_sought_in_is_found_by_reading(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.mp4", frames=50, options={"preset": "veryfast", "g": "250"})  # no key frame has a time
    found, _ = decoded(earlier(clip, tmp_path / "early.mkv"), part=TimeSpan(Fraction(3, 2), Fraction(2, 5)))
    assert found == [40 * number for number in range(10)]


def test_the_audio_of_such_a_part_is_complete(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.mp4", frames=50, options={"preset": "veryfast", "g": "250"})
    source, target = earlier(clip, tmp_path / "early.mkv"), tmp_path / "part.mkv"
    preset = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
    Job(source, target, preset=preset, part=TimeSpan(Fraction(3, 2), Fraction(2, 5))).run()
    whole, kept = packet_bytes(clip, "audio"), packet_bytes(target, "audio")
    begin, end = (next(time for time, data in whole if data == kept[at][1]) for at in (0, -1))
    assert [data for _, data in kept] == [data for time, data in whole if begin <= time <= end]
    origin = float(begin - kept[0][0])  # of the part; versions of libav differ by which picture is the first
    assert origin == pytest.approx(1.5, abs=0.022)
    assert origin == pytest.approx(round(origin * 25) / 25, abs=0.002), "it is the time of a picture"
    assert float(end) - origin == pytest.approx(0.39, abs=0.02)


def test_where_none_has_a_time_they_come_at_the_frame_rate(make_clip: MakeClip) -> None:
    found, _ = decoded(make_clip("in.h264", frames=10, audio=False))
    assert {after - before for before, after in pairwise(found)} == {found[1]}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_result_begins_with_these_pictures_and_their_audio(suffix: str, source: Path, tmp_path: Path) -> None:
    preset = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
    made = tmp_path / f"out{suffix}"
    Job(source, made, preset=preset.updated("encode", preset="ultrafast")).run()
    times = video_times(made)
    assert len(times) == 50
    assert 0 <= times[0] <= STEP
    assert times[0] - packet_bytes(made, "audio")[0][0] == pytest.approx(Fraction(0), abs=0.03)
    with av.open(str(made)) as container:
        assert Fraction(container.duration, av.time_base) == pytest.approx(2, abs=0.06)
        chapter = container.chapters()[0]
    if suffix == ".mkv":  # the first chapter of an MP4 always begins at 0
        assert chapter["start"] * chapter["time_base"] == pytest.approx(times[0] + BEFORE * STEP, abs=0.03)
