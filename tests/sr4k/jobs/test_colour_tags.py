"""Colour tags of a result: those of its source, or else those that the source was read by."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from clips import MakeClip, picture

from sr4k import Job, load_preset
from sr4k.live.receive.pull_process import fitting_info
from sr4k.media.look import DecodedPicture, Look
from sr4k.media.options import Box
from sr4k.media.video import ColourTags
from sr4k.probing import probe

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")


def upscale(source: Path, target: Path, codec: str = "h264", size: tuple[int, int] | None = None) -> None:
    speed = "12" if codec == "av1" else "ultrafast"
    preset = PRESET if target.suffix == ".png" else PRESET.updated("encode", codec=codec, preset=speed)
    Job(source, target, preset=preset, size=size and Box(*size, "stretch")).run()


def tags(path: Path) -> ColourTags:
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
    return ColourTags(first.colorspace, first.color_range, first.color_primaries, first.color_trc)


def write_picture(path: Path, encoder: str, pix_fmt: str, size: tuple[int, int]) -> Path:
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt, context.time_base = *size, pix_fmt, Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(picture(0, *size), format="rgb24").reformat(format=pix_fmt)
    frame.pts = 0
    path.write_bytes(b"".join(map(bytes, [*context.encode(frame), *context.encode(None)])))
    return path


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("out.mp4", "h264"),
        ("out.mov", "h264"),
        ("out.mkv", "h264"),
        ("out.ts", "h264"),
        ("out.mp4", "hevc"),
        ("out.ts", "hevc"),
        ("out.webm", "av1"),
        ("out.mp4", "av1"),
    ],
)
def test_what_was_guessed_is_written(name: str, codec: str, make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mp4", frames=2, size=(64, 480), audio=False)
    assert tags(source) == ColourTags(2, 0, 2, 2)
    upscale(source, tmp_path / name, codec)
    assert tags(tmp_path / name) == ColourTags(6, 1, 6, 6)
    assert probe(tmp_path / name).video["matrix"] == probe(source).video["matrix"] == "bt601"


@pytest.mark.parametrize(("height", "size"), [(576, (96, 360)), (360, (96, 1080)), (720, (96, 480))])
def test_also_across_the_border_between_the_guesses(
    height: int, size: tuple[int, int], make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip("in.mkv", frames=2, size=(64, height), audio=False)
    upscale(source, tmp_path / "out.mkv", size=size)
    assert probe(tmp_path / "out.mkv").video["matrix"] == probe(source).video["matrix"]


@pytest.mark.parametrize(
    ("name", "encoder", "pix_fmt", "height", "expected"),
    [
        ("in.png", "png", "rgb24", 400, ColourTags(6, 1, 1, 13)),
        ("in.png", "png", "rgb24", 720, ColourTags(1, 1, 1, 13)),
        ("in.png", "png", "gray", 400, ColourTags(6, 2, 1, 13)),
        ("in.jpg", "mjpeg", "yuvj420p", 800, ColourTags(5, 2, 1, 13)),
        ("in.webp", "libwebp", "yuv420p", 800, ColourTags(5, 1, 1, 13)),
    ],
)
def test_pictures_say_so_too(
    name: str, encoder: str, pix_fmt: str, height: int, expected: ColourTags, tmp_path: Path
) -> None:
    source = write_picture(tmp_path / name, encoder, pix_fmt, (64, height))
    upscale(source, tmp_path / "out.mp4")
    assert tags(tmp_path / "out.mp4") == expected


def test_rgb_video_says_so_too(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.avi", frames=2, size=(64, 400), audio=False, codec="utvideo", pix_fmt="gbrp", options={})
    upscale(source, tmp_path / "out.mp4")
    assert tags(tmp_path / "out.mp4") == ColourTags(6, 1, 1, 13)


@pytest.mark.parametrize("told", [ColourTags(6, 1, 1, 13), ColourTags(9, 1, 9, 16), ColourTags(1, 2, 12, 8)])
def test_what_is_told_is_kept(told: ColourTags, make_clip: MakeClip, tmp_path: Path) -> None:
    context = dict(zip(("colorspace", "color_range", "color_primaries", "color_trc"), _points(told), strict=True))
    source = make_clip("in.mkv", frames=2, size=(64, 720), audio=False, context=context)
    upscale(source, tmp_path / "out.mp4")
    assert tags(tmp_path / "out.mp4") == told


def test_so_does_a_live_stream(make_clip: MakeClip) -> None:
    with av.open(str(make_clip("in.mp4", frames=2, size=(64, 480), audio=False))) as container:
        first = next(container.decode(video=0))
        info = fitting_info(DecodedPicture(first, Look.of(first)), container.streams.video[0], None)
    assert info.tags == ColourTags(6, 1, 6, 6)
    assert info.colour.matrix == "bt601"


def test_a_guess_does_not_make_viewers_of_pictures_change_them(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mkv", frames=1, size=(64, 576), audio=False)
    upscale(source, tmp_path / "out.png")
    data = (tmp_path / "out.png").read_bytes()
    assert b"gAMA" not in data
    assert b"cHRM" not in data


def _points(told: ColourTags) -> tuple[int, int, int, int]:
    return told.colorspace, told.color_range, told.color_primaries, told.color_trc
