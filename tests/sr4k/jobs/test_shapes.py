"""Pixel shape, rotation and mirroring are those of the source, at twice the size."""

from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import MakeClip

from sr4k import Job, Summary, load_preset
from sr4k.errors import OptionError, OutputError
from sr4k.media.options import Box

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")

TURNS = {
    "by 90": (0, 1, -1, 0),
    "by 180": (-1, 0, 0, -1),
    "by 270": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "transversed": (0, -1, -1, 0),
}
"""a, b, c, d of display matrices."""

CODECS = {".webm": ("av1", "12")}


def upscale(source: Path, target: Path, codec: str | None = None, **job: Any) -> Summary:
    codec, speed = (
        (codec, "12" if codec == "av1" else "ultrafast") if codec else CODECS.get(target.suffix, ("h264", "ultrafast"))
    )
    preset = PRESET if target.suffix in (".png", ".webp") else PRESET.updated("encode", codec=codec, preset=speed)
    return Job(source, target, preset=preset, **job).run()


def matrix_of(turn: str) -> list[int]:
    a, b, c, d = (65536 * value for value in TURNS[turn])
    return [a, b, 0, c, d, 0, 0, 0, 1 << 30]


def shown(path: Path) -> tuple[tuple[int, int], Fraction, list[int] | None]:
    """Size, sample aspect ratio and display matrix."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        turned = None if matrix is None else np.frombuffer(bytes(matrix), np.int32).tolist()
        return (frame.width, frame.height), Fraction(stream.sample_aspect_ratio or 1), turned


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("turn", TURNS)
def test_turned_and_mirrored_pictures_stay_so(turn: str, suffix: str, make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mp4", frames=2, audio=False, display_matrix=matrix_of(turn))
    summary = upscale(source, tmp_path / f"out{suffix}")
    assert shown(source)[2] == matrix_of(turn)
    assert shown(tmp_path / f"out{suffix}") == ((128, 96), 1, matrix_of(turn))
    assert summary.left_out == []


def test_a_container_that_has_no_rotation_is_named(make_clip: MakeClip, tmp_path: Path) -> None:
    turned = make_clip("in.mp4", frames=2, audio=False, display_matrix=matrix_of("by 90"))
    assert upscale(turned, tmp_path / "out.ts").left_out == ["rotation can't be carried by mpegts"]
    assert shown(tmp_path / "out.ts")[2] is None
    upright = make_clip("upright.mp4", frames=2, audio=False)
    assert upscale(upright, tmp_path / "upright.ts").left_out == []


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        *((suffix, "h264") for suffix in (".mp4", ".mov", ".mkv", ".ts")),
        (".mkv", "hevc"),
        (".mp4", "hevc"),
        (".mp4", "av1"),
    ],
)
@pytest.mark.parametrize("shape", [Fraction(16, 15), Fraction(4, 3), Fraction(8, 9), Fraction(1)])
@pytest.mark.parametrize("size", [(64, 48), (66, 50)])
def test_pixels_keep_their_shape(
    size: tuple[int, int], shape: Fraction, suffix: str, codec: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip("in.mp4", size=size, frames=2, audio=False, sample_aspect_ratio=shape)
    assert upscale(source, tmp_path / f"out{suffix}", codec).left_out == []
    assert shown(source)[1] == shape
    assert shown(tmp_path / f"out{suffix}")[:2] == ((2 * size[0], 2 * size[1]), shape)


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_where_their_shape_is_lost_it_is_said(suffix: str, make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mp4", frames=2, audio=False, sample_aspect_ratio=Fraction(4, 3))
    (line,) = upscale(source, tmp_path / f"out{suffix}", "av1").left_out
    assert line.startswith("pixels of 4/3 can't be carried by AV1 in")
    assert shown(tmp_path / f"out{suffix}")[1] == 1


def test_a_container_that_refuses_the_codec_is_told_by_its_name(make_clip: MakeClip, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="mov files can't be written with av1 video"):
        upscale(make_clip("in.mp4", frames=2, audio=False), tmp_path / "out.mov", "av1")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


SIZES = [(1, 1), (2, 2), (3, 1), (64, 2), (64, 8), (2, 64), (65, 49), (16, 16), (17, 31), (25, 31), (33, 27), (130, 34)]


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize("size", SIZES)
def test_any_size_is_doubled_or_refused_in_one_line(
    size: tuple[int, int], codec: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip("in.mkv", size=size, frames=2, audio=False, codec="rawvideo", options={"threads": "1"})
    width, height = {"h264": (2, 2), "hevc": (50, 16), "av1": (32, 32)}[codec]
    if 2 * size[0] < width or 2 * size[1] < height:
        with pytest.raises(OptionError, match=rf"doesn't support {2 * size[0]}x{2 * size[1]}.*use codec=.h264."):
            upscale(source, tmp_path / "out.mkv", codec)
        return
    assert upscale(source, tmp_path / "out.mkv", codec).frames == 2
    assert shown(tmp_path / "out.mkv")[0] == (2 * size[0], 2 * size[1])


@pytest.mark.parametrize(
    ("size", "advice"),
    [((2, 2), "use codec=.h264. in another container, such as .*, or"), ((16, 4354), "use codec=.hevc. in another c")],
)
def test_webm_which_holds_no_other_codec_is_advised_against(
    size: tuple[int, int], advice: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip("in.mkv", size=size, frames=1, audio=False, codec="rawvideo", options={"threads": "1"})
    with pytest.raises(OptionError, match=rf"The av1 encoder doesn't support .*; {advice}"):
        upscale(source, tmp_path / "out.webm")


@pytest.mark.parametrize(
    ("size", "codec", "told"),
    [((8194, 16), "h264", "16384x16384"), ((16, 8194), "h264", "16384x16384"), ((16, 4354), "av1", "16384x8704")],
)
def test_what_is_too_large_for_an_encoder_is_refused_in_one_line(
    size: tuple[int, int], codec: str, told: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip("in.mkv", size=size, frames=1, audio=False, codec="rawvideo", options={"threads": "1"})
    with pytest.raises(OptionError, match=rf"doesn't support .*: its maximum is {told}; use codec=.hevc."):
        upscale(source, tmp_path / "out.mkv", codec)
    with (
        pytest.raises(OptionError, match="can't hold sides of more than 16383 pixels")
        if 16388 in (2 * size[0], 2 * size[1])
        else nullcontext()
    ):
        upscale(source, tmp_path / "out.webp")
    upscale(source, tmp_path / "out.png")


@pytest.mark.parametrize("size", SIZES)
def test_with_the_network_too(size: tuple[int, int], make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mkv", size=size, frames=2, audio=False, codec="rawvideo", options={"threads": "1"})
    preset = load_preset("file").updated("graph", mode="threads").updated("engine", name="openvino")
    assert Job(source, tmp_path / "out.mkv", preset=preset).run().frames == 2
    assert shown(tmp_path / "out.mkv")[0] == (2 * size[0], 2 * size[1])


def test_an_exact_size_of_a_turned_picture_of_oblong_pixels(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip(
        "in.mp4", frames=2, audio=False, display_matrix=matrix_of("by 270"), sample_aspect_ratio=Fraction(4, 3)
    )
    upscale(source, tmp_path / "out.mp4", size=Box(100, 200, "stretch"))
    size, shape, matrix = shown(tmp_path / "out.mp4")
    assert (size, matrix) == ((200, 100), matrix_of("by 270"))
    assert Fraction(*size) * shape == Fraction(64, 48) * Fraction(4, 3)
