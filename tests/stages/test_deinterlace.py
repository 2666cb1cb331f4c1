"""Interlaced sources through whole jobs, without the network."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.context import Flags
from av.filter import Graph
from av.video.frame import VideoFrame
from clips import MakeClip, luma_planes, picture, video_times
from numpy.typing import NDArray

from sr4k import Job, Summary, load_preset
from sr4k.models.fold import PAD_AFTER, PAD_BEFORE
from sr4k.pipeline.chain import HeapBuffers
from sr4k.stages.decode import Decode
from sr4k.stages.settings import DecodeSettings, Deinterlace, Part

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
LOSSLESS = PRESET.updated("encode", preset="ultrafast", crf=0)


def upscale(source: Path, target: Path, deinterlace: Deinterlace = "auto", **job: Any) -> Summary:
    return Job(source, target, LOSSLESS, deinterlace=deinterlace, **job).run()


def moving(instant: int, size: tuple[int, int] = (96, 64)) -> NDArray[np.uint8]:
    """A bar that moves to the right by four pixels each instant, before a soft ground; (height, width, 3)."""
    width, height = size
    image = (picture(0, width, height) // 3 + 40).astype(np.uint8)
    left = 4 * instant % width
    image[height // 4 : 3 * height // 4, left : left + 8] = 230
    return image


def woven(number: int, size: tuple[int, int], *, top_first: bool) -> NDArray[np.uint8]:
    """Two instants in one picture, one in the even rows and one in the odd."""
    first, second = moving(2 * number, size), moving(2 * number + 1, size)
    image = first.copy() if top_first else second.copy()
    image[1::2] = (second if top_first else first)[1::2]
    return image


def flagged(image: NDArray[np.uint8], field_order: str) -> VideoFrame:
    """A picture with the flags of an interlaced one, or of a progressive one."""
    one = VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    graph = Graph()
    source = graph.add_buffer(width=one.width, height=one.height, format=one.format, time_base=Fraction(1))
    graph.link_nodes(source, graph.add("setfield", field_order), graph.add("buffersink")).configure()
    graph.vpush(one)
    return graph.vpull()


def write(
    path: Path,
    *,
    codec: str = "mpeg2video",
    frames: int = 8,
    top_first: bool = True,
    pts: list[int] | None = None,
    size: tuple[int, int] = (96, 64),
) -> Path:
    """A clip of 25 interlaced pictures a second."""
    with av.open(str(path), "w") as out:
        options = {"x264-params": f"{'tff' if top_first else 'bff'}=1"} if codec == "libx264" else {}
        video = out.add_stream(codec, rate=25, options=options)
        prepare(video, size, interlaced=codec != "libx264")
        for number in range(frames):
            one = flagged(woven(number, size, top_first=top_first), "tff" if top_first else "bff")
            one.pts, one.time_base = (pts[number] if pts else number), Fraction(1, 25)
            out.mux(video.encode(one))
        out.mux(video.encode(None))
    return path


def write_mixed(path: Path, progressive: range, frames: int = 8) -> Path:
    """Pictures of MPEG-2 that all stand alone, some of them progressive."""
    size = (96, 64)
    with av.open(str(path), "w") as out:
        video = out.add_stream("mpeg2video", rate=25)
        prepare(video, size, interlaced=True)
        for number in range(frames):
            still = number in progressive
            encoder = av.CodecContext.create("mpeg2video", "w")
            prepare(encoder, size, interlaced=not still)
            encoder.framerate = Fraction(25)
            image = moving(2 * number) if still else woven(number, size, top_first=True)
            one = flagged(image, "prog" if still else "tff")
            one.pts, one.time_base = number, Fraction(1, 25)
            for packet in encoder.encode(one) + encoder.encode(None):
                packet.stream = video
                out.mux(packet)
    return path


def prepare(video: Any, size: tuple[int, int], *, interlaced: bool) -> None:
    context = getattr(video, "codec_context", video)
    context.width, context.height = size
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, 25)
    context.bit_rate = 20_000_000
    if interlaced:
        context.flags |= Flags.interlaced_dct | Flags.interlaced_me


def combing(plane: NDArray[np.uint8]) -> float:
    """How much rows differ from both their neighbours in one direction."""
    rows = plane.astype(int)[::2]  # nearest: every row is there twice
    up, down = rows[1:-1] - rows[:-2], rows[1:-1] - rows[2:]
    return float(np.where((up > 0) == (down > 0), np.minimum(abs(up), abs(down)), 0).mean())


def bar(plane: NDArray[np.uint8]) -> float:
    """Where the middle of the bar is, in pixels of the source."""
    bright = np.flatnonzero(plane[plane.shape[0] // 2 - 8 : plane.shape[0] // 2 + 8].mean(axis=0) > 170)
    return float(bright.mean()) / 2


SOURCES = [("mpeg2video", "ts"), ("mpeg2video", "mkv"), ("libx264", "mp4"), ("mpeg4", "avi"), ("ffv1", "mkv")]


@pytest.mark.parametrize(("codec", "suffix"), SOURCES)
@pytest.mark.parametrize("top_first", [True, False], ids=["top first", "bottom first"])
def test_each_picture_gives_one_at_its_time_without_combs(
    codec: str, suffix: str, top_first: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write(tmp_path / f"in.{suffix}", codec=codec, top_first=top_first)
    summary = upscale(source, tmp_path / "out.mp4")
    assert video_times(tmp_path / "out.mp4") == video_times(source)
    assert (summary.frames, summary.source["interlaced"], summary.damaged) == (8, 8, False)
    assert caplog.text.count("interlaced pictures are deinterlaced, each gives one") == 1
    planes = luma_planes(tmp_path / "out.mp4")
    assert max(map(combing, planes[1:-1])) < 2
    upscale(source, tmp_path / "combed.mp4", "off")
    assert min(map(combing, luma_planes(tmp_path / "combed.mp4"))) > 5


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_the_result_is_progressive(suffix: str, tmp_path: Path) -> None:
    upscale(write(tmp_path / "in.ts"), tmp_path / f"out.{suffix}")
    with av.open(str(tmp_path / f"out.{suffix}")) as result:
        assert not any(picture.interlaced_frame for picture in result.decode(video=0))
        assert result.streams.video[0].codec_context.field_order == 1


@pytest.mark.parametrize(("codec", "suffix"), SOURCES)
@pytest.mark.parametrize("top_first", [True, False], ids=["top first", "bottom first"])
def test_each_field_may_give_one_halfway_to_the_next(
    codec: str, suffix: str, top_first: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write(tmp_path / f"in.{suffix}", codec=codec, top_first=top_first)
    summary = upscale(source, tmp_path / "out.mp4", "double")
    times = video_times(source)
    assert video_times(tmp_path / "out.mp4") == [time + late for time in times for late in (0, Fraction(1, 50))]
    assert (summary.frames, summary.source["interlaced"], summary.source["rate"]) == (16, 8, 50)
    assert "each gives two" in caplog.text
    assert not summary.damaged
    moves = np.diff([bar(plane) for plane in luma_planes(tmp_path / "out.mp4")[1:-1]])
    assert moves == pytest.approx(4, abs=1.5)  # always forwards: the fields are in order


@pytest.mark.parametrize("mode", ["auto", "double"])
def test_uneven_times_stay_exact(mode: Deinterlace, tmp_path: Path) -> None:
    times = [3, 4, 7, 8, 15, 16, 19, 20]
    source = write(tmp_path / "in.mp4", codec="libx264", pts=times)
    upscale(source, tmp_path / "out.mp4", mode)
    halves = [Fraction(a + b, 2) for a, b in zip(times, [*times[1:], 21], strict=True)]
    expected = [Fraction(t) for t in times] if mode == "auto" else sorted([*map(Fraction, times), *halves])
    assert video_times(tmp_path / "out.mp4") == [time / 25 for time in expected]


@pytest.mark.parametrize(
    "progressive", [range(4), range(4, 8), range(3, 5), range(0, 8, 2)], ids=["first", "last", "between", "every other"]
)
@pytest.mark.parametrize("mode", ["auto", "double"])
def test_progressive_pictures_among_them_stay_as_they_are(
    mode: Deinterlace, progressive: range, tmp_path: Path
) -> None:
    source = write_mixed(tmp_path / "in.ts", progressive)
    summary = upscale(source, tmp_path / "out.mkv", mode)
    assert summary.source["interlaced"] == 8 - len(progressive)
    made, there = luma_planes(tmp_path / "out.mkv"), luma_planes(source)
    places = [sum(1 if n in progressive or mode == "auto" else 2 for n in range(number)) for number in range(9)]
    assert len(made) == places[-1]
    for number, plane in enumerate(there):
        same = np.array_equal(made[places[number]], plane.repeat(2, axis=0).repeat(2, axis=1))
        assert same == (number in progressive), number
    shown = video_times(tmp_path / "out.mkv")
    assert [shown[place] for place in places[:-1]] == pytest.approx(video_times(source), abs=0.0006)


@pytest.mark.parametrize("mode", ["auto", "double"])
def test_progressive_sources_know_nothing_of_it(
    mode: Deinterlace, make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise AssertionError("a filter was set up")

    monkeypatch.setattr("sr4k.stages.deinterlace.Graph", refuse)
    source = make_clip("in.mp4")
    summary = upscale(source, tmp_path / "out.mp4", mode)
    assert (summary.frames, summary.source["interlaced"], summary.source["rate"]) == (10, 0, 25)
    assert video_times(tmp_path / "out.mp4") == video_times(source)


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize(("mode", "each"), [("auto", 1), ("double", 2)])
def test_few_pictures_are_all_there(mode: Deinterlace, each: int, frames: int, tmp_path: Path) -> None:
    source = write(tmp_path / "in.mkv", codec="libx264", frames=frames)
    upscale(source, tmp_path / "out.mkv", mode)
    expected = [Fraction(k, 25 * each) for k in range(each * frames)]
    assert video_times(tmp_path / "out.mkv") == pytest.approx(expected, abs=0.0006)


@pytest.mark.parametrize("start", [0, Fraction(12, 25), Fraction(13, 25)], ids=["begin", "key frame", "after it"])
def test_a_part_has_the_pictures_of_the_whole(start: Fraction, tmp_path: Path) -> None:
    source = write(tmp_path / "in.mkv", frames=30)  # a key frame every 12
    upscale(source, tmp_path / "all.mkv")
    upscale(source, tmp_path / "part.mkv", part=Part(Fraction(start), Fraction(5, 25)))
    first = int(start * 25)
    made = luma_planes(tmp_path / "part.mkv")
    assert np.array_equal(made, luma_planes(tmp_path / "all.mkv")[first : first + len(made)])
    assert len(made) == 5


def decoded(settings: DecodeSettings) -> list[tuple[int, bytes]]:
    """Pts and luma of every picture."""
    stage = Decode(settings)
    try:
        buffers = HeapBuffers(stage.open())
        return [
            (frame.info.pts, frame.planes[0][PAD_BEFORE:-PAD_AFTER, PAD_BEFORE:-PAD_AFTER].tobytes())
            for frame in stage.frames(buffers)
        ]
    finally:
        stage.close()


@pytest.mark.parametrize("mode", ["auto", "double"])
@pytest.mark.parametrize(("codec", "suffix"), [("mpeg2video", "ts"), ("mpeg2video", "mkv"), ("libx264", "mp4")])
def test_what_is_gone_on_with_has_the_same_pictures(mode: Deinterlace, codec: str, suffix: str, tmp_path: Path) -> None:
    settings = DecodeSettings(write(tmp_path / f"in.{suffix}", codec=codec, frames=40), deinterlace=mode)
    whole = decoded(settings)
    assert len(whole) == (40 if mode == "auto" else 80)
    for done in (0, 11, 12, 13, 24, 25, 37):
        rest = decoded(replace(settings, done_until=whole[done][0], done_frames=done + 1))
        assert [pts for pts, _ in rest] == [pts for pts, _ in whole[done + 1 :]]
        assert rest == whole[done + 1 :], done


def test_what_is_too_small_stays_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = write(tmp_path / "in.mkv", codec="ffv1", size=(4, 4))
    summary = upscale(source, tmp_path / "out.mkv")
    assert "4x4 is too small to be deinterlaced" in caplog.text
    assert summary.frames == 8


def test_in_processes_and_with_the_network_as_well(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ts", frames=4)
    preset = load_preset("file").updated("engine", name="openvino")
    assert Job(source, tmp_path / "out.mp4", preset).run().frames == 4
    assert video_times(tmp_path / "out.mp4") == video_times(source)
