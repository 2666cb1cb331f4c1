"""Choosing a stream in files with several video streams."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.stream import Disposition
from av.video.frame import VideoFrame
from clips import blank, luma_planes

from sr4k import Job, Summary, load_preset
from sr4k.errors import InputError, OptionError
from sr4k.jobs.parse import parse_track
from sr4k.media.options import FIRST_VIDEO, VideoChoice

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")

LEVELS = [60, 120, 200]


def upscale(source: Path, target: Path, track: VideoChoice = FIRST_VIDEO) -> Summary:
    return Job(source, target, preset=PRESET.updated("encode", crf=0), track=track).run()


def write(path: Path, *, cover: bool = False) -> Path:
    """Three videos of different brightness, 64x48, 48x64 and 32x32; before them maybe a cover."""
    with av.open(str(path), "w") as out:
        sizes = [(64, 48), (48, 64), (32, 32)]
        videos = [out.add_stream("libx264", rate=25, options={"crf": "0"}) for _ in sizes]
        for video, (width, height) in zip(videos, sizes, strict=True):
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        if cover:
            picture = out.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 16, 16, "yuvj420p"
            picture.disposition = Disposition.attached_pic
            out.mux(picture.encode(blank(16, 16, "yuvj420p")) + picture.encode(None))
        for number in range(5):
            for video, level, (width, height) in zip(videos, LEVELS, sizes, strict=True):
                one = VideoFrame(width, height, "yuv420p")
                for plane, value in zip(one.planes, (level, 128, 128), strict=True):
                    plane.update(bytes([value]) * plane.buffer_size)
                one.pts, one.time_base = number, Fraction(1, 25)
                out.mux(video.encode(one))
        for video in videos:
            out.mux(video.encode(None))
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_is_upscaled_and_the_others_are_named(number: int, suffix: str, tmp_path: Path) -> None:
    source = write(tmp_path / f"in.{suffix}")
    summary = upscale(source, tmp_path / f"out.{suffix}", VideoChoice(number))
    plane = luma_planes(tmp_path / f"out.{suffix}")[0]
    assert plane.shape == [(96, 128), (128, 96), (64, 64)][number]
    assert abs(int(plane.mean()) - LEVELS[number]) <= 1
    others = [other for other in range(3) if other != number]
    assert [line.split(": ")[1] for line in summary.left_out] == [f'track="{other}" upscales it' for other in others]
    with av.open(str(tmp_path / f"out.{suffix}")) as result:
        assert len(result.streams.video) == 1


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_by_the_id_that_the_container_gives_it(suffix: str, tmp_path: Path) -> None:
    source = write(tmp_path / f"in.{suffix}")
    with av.open(str(source)) as container:
        ids = [stream.id for stream in container.streams.video]
    upscale(source, tmp_path / "out.mp4", VideoChoice(ids[1], by_id=True))
    assert luma_planes(tmp_path / "out.mp4")[0].shape == (128, 96)


@pytest.mark.slow
def test_cover_pictures_are_not_counted(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mp4", cover=True)
    upscale(source, tmp_path / "out.mp4", VideoChoice(2))
    assert luma_planes(tmp_path / "out.mp4")[0].shape == (64, 64)
    with av.open(str(source)) as container:
        cover = next(s.id for s in container.streams.video if s.disposition & Disposition.attached_pic)
    for track in (VideoChoice(3), VideoChoice(cover, by_id=True)):
        with pytest.raises(InputError, match=rf"no video {track}: track takes one of 0 \(i:0x1\), 1 .*, 2 .*\)\."):
            upscale(source, tmp_path / "none.mp4", track)
    assert not list(tmp_path.glob("*none*"))


def test_tracks_as_people_write_them() -> None:
    assert [parse_track(text) for text in ("1", "i:0x101", "i:7")] == [
        VideoChoice(1),
        VideoChoice(257, True),
        VideoChoice(7, True),
    ]
    for text in ("", "one", "0x1", "i:", "v:0"):
        with pytest.raises(OptionError, match="isn't a video track"):
            parse_track(text)
