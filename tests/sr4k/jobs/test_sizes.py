"""Results of a size that was asked for."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import MakeClip, luma_planes, picture, write_clip
from infos import video_info
from numpy.typing import NDArray

from sr4k import Job, Preset, Upscaler, load_preset
from sr4k.errors import OptionError
from sr4k.jobs.live_job import LiveJob
from sr4k.jobs.parse import parse_size
from sr4k.jobs.result_size import result_size
from sr4k.live.address import parse_source, parse_target
from sr4k.live.receive.ladder import rungs_for
from sr4k.media.options import Box, Scale
from sr4k.media.placement import Placed, placed, second_input
from sr4k.media.video import VideoInfo
from sr4k.models.quality.metrics import psnr
from sr4k.models.resize import imresize

THREADS = load_preset("file").updated("graph", mode="threads")
FAST = THREADS.updated("encode", crf=0, preset="ultrafast")
NEAREST = FAST.updated("engine", name="nearest")
NEAREST_PICTURES = THREADS.updated("engine", name="nearest")


def astronaut() -> NDArray[np.uint8]:
    from skimage import data

    return np.asarray(data.astronaut()[:288, 96:480], np.uint8)


def write_low(path: Path, low: NDArray[np.uint8]) -> Path:
    with av.open(str(path), "w") as out:
        video = out.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = low.shape[1], low.shape[0], "yuv420p"
        out.mux([*video.encode(av.VideoFrame.from_ndarray(low, format="rgb24")), *video.encode(None)])
    return path


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("ratio", [Fraction(4, 3), Fraction(3), Fraction(4)])
def test_it_is_better_than_lanczos_at_any_ratio(ratio: Fraction, tmp_path: Path) -> None:
    high = astronaut()
    rows, columns = (int(side / ratio) for side in high.shape[:2])
    source = write_low(tmp_path / "low.mkv", imresize(high, rows, columns))
    Job(source, tmp_path / "out.mkv", preset=FAST.updated("engine", name="openvino"), size=Box(384, 288)).run()
    truth = av.VideoFrame.from_ndarray(high, format="rgb24").to_ndarray(format="yuv420p")[:288]
    with av.open(str(source)) as container:
        plain = next(container.decode(video=0)).reformat(384, 288, interpolation="LANCZOS").to_ndarray()[:288]
    assert psnr(luma_planes(tmp_path / "out.mkv")[0], truth) > psnr(plain, truth) + 0.7


@pytest.mark.parametrize("size", [(96, 72), (64, 48), (48, 36), (300, 200), (32, 96)])
@pytest.mark.parametrize("pixels", ["yuv", "bgr"])
def test_it_is_exact_and_the_picture_stays_where_it_is(
    size: tuple[int, int], pixels: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip("in.mkv", frames=2, audio=False, codec="ffv1", options={})
    Job(source, tmp_path / "out.mkv", preset=NEAREST.updated("engine", pixels=pixels), size=Box(*size, "stretch")).run()
    made, low = luma_planes(tmp_path / "out.mkv")[1], luma_planes(source)[1]
    assert made.shape == size[::-1]
    expected = cv2.resize(low, size, interpolation=cv2.INTER_AREA if size[0] < 64 else cv2.INTER_LINEAR)
    assert psnr(made, expected) > 25


def test_ten_bits_and_their_siting_stay(tmp_path: Path) -> None:
    source = write_clip(
        tmp_path / "in.mkv", frames=4, audio=False, codec="libx265", pix_fmt="yuv420p10le",
        options={"x265-params": "log-level=none:chromaloc=2"},
    )  # fmt: skip
    Job(source, tmp_path / "out.mkv", preset=NEAREST, size=Box(96, 72)).run()
    with av.open(str(tmp_path / "out.mkv")) as result:
        first = next(result.decode(video=0))
    assert (first.width, first.height, first.format.name) == (96, 72, "yuv420p10le")


@pytest.mark.slow(seconds=1)
def test_between_once_and_twice_the_size_is_the_same_and_the_log_says_what_it_costs(
    make_clip: MakeClip, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip("in.mkv", size=(66, 36), frames=3, codec="ffv1", options={})
    once, twice = (
        Job(source, tmp_path / f"{scale}.mkv", preset=FAST.updated("engine", name="openvino"), scale=scale).run()
        for scale in (2.1, 3)
    )
    assert (once.video.width, once.video.height, once.engine.passes) == (138, 76, None)
    assert (twice.video.width, twice.video.height, twice.engine.passes) == (198, 108, 2)
    assert twice.engine.macs == pytest.approx(3.25 * once.engine.macs, rel=0.1)
    assert "second pass" in twice.stages
    assert "second pass" not in once.stages
    told = [record.message for record in caplog.records if "goes through the network twice" in record.message]
    assert len(told) == 1
    assert "at 66x36 and at 99x54, which takes about 3.2 times as long as one pass" in told[0]


def test_one_pass_can_be_all(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mkv", size=(66, 36), frames=2, codec="ffv1", options={}, audio=False)
    done = Job(source, tmp_path / "out.mkv", preset=NEAREST, scale=3, passes=1).run()
    assert (done.video.width, done.video.height, done.engine.passes) == (198, 108, None)
    assert "second pass" not in done.stages
    with pytest.raises(OptionError, match="passes can't be 3"):
        Job(source, tmp_path / "out.mkv", scale=3, passes=3)


def test_anamorphic_pixels_stay_as_they_are_by_a_factor_and_become_square_in_a_box(tmp_path: Path) -> None:
    pixel = Fraction(64, 45)
    source = write_clip(tmp_path / "dvd.mkv", size=(72, 58), frames=2, audio=False, sample_aspect_ratio=pixel)
    for wanted, size, shape in (("x3", (216, 174), pixel), ("384x216", (384, 216), Fraction(1))):
        done = Job(source, tmp_path / f"{wanted}.mkv", preset=NEAREST, size=wanted).run()
        with av.open(done.output) as result:
            video = result.streams.video[0]
            assert (video.width, video.height, video.sample_aspect_ratio) == (*size, shape)


@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_of_three_times_the_size_keep_their_transparency(channels: int, tmp_path: Path) -> None:
    pixels = np.full((40, 60, channels), 90, np.uint8)
    pixels[:, 30:] = 200
    for name in ("1.png", "2.png"):
        assert cv2.imwrite(str(tmp_path / name), pixels)
    done = Job(tmp_path / "%d.png", tmp_path / "big-%d.png", preset=NEAREST_PICTURES, scale=3).run()
    made = cv2.imread(str(tmp_path / "big-2.png"), cv2.IMREAD_UNCHANGED)
    assert made is not None
    assert (done.engine.passes, done.frames, made.shape) == (2, 2, (120, 180, channels))
    assert np.abs(made[:, [20, 160]].astype(int) - [[90], [200]]).max() <= 1


@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_too(channels: int, tmp_path: Path) -> None:
    pixels = np.full((40, 60, channels), 90, np.uint8)
    pixels[:, 30:] = 200
    assert cv2.imwrite(str(tmp_path / "in.png"), pixels)
    Job(tmp_path / "in.png", tmp_path / "out.png", preset=NEAREST_PICTURES, size=Box(90, 60)).run()
    made = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
    assert made is not None
    assert made.shape == (60, 90, channels)
    assert np.abs(made[:, [10, 80]].astype(int) - [[90], [200]]).max() <= 1


ODD = (53, 41)

EXACT: list[tuple[dict[str, Any], tuple[int, int]]] = [
    ({"size": "101x67"}, (87, 67)),
    ({"size": "101x67", "fit": "stretch"}, (101, 67)),
    ({"size": "101x67", "fit": "pad"}, (101, 67)),
    ({"scale": 1.5}, (80, 62)),
    ({"scale": 3}, (159, 123)),
]


@pytest.mark.parametrize(("wanted", "size"), EXACT, ids=str)
@pytest.mark.parametrize("name", ["in%d.png", "in.mkv"])
def test_pictures_have_exactly_the_size_that_was_asked_for(
    name: str, wanted: dict[str, Any], size: tuple[int, int], make_clip: MakeClip, tmp_path: Path
) -> None:
    for number in range(2):
        assert cv2.imwrite(str(tmp_path / f"in{number}.png"), picture(number, *ODD))
    if name == "in.mkv":
        make_clip("in.mkv", size=ODD, frames=2, codec="ffv1", options={}, audio=False)
    done = Job(tmp_path / name, tmp_path / "out%d.png", preset=NEAREST_PICTURES, **wanted).run()
    made = cv2.imread(str(tmp_path / "out1.png"))
    assert made is not None
    assert (made.shape[1], made.shape[0]) == (done.video.width, done.video.height) == size
    number = 1 if name == "in%d.png" else 0
    inner = (87, 67) if wanted.get("fit") == "pad" else size
    left, top = (size[0] - inner[0]) // 4 * 2, (size[1] - inner[1]) // 4 * 2
    expected = cv2.resize(picture(number, *ODD), inner, interpolation=cv2.INTER_LINEAR)
    assert psnr(made[top : top + inner[1], left : left + inner[0]], expected if number else expected[..., ::-1]) > 20


def test_a_videos_sides_are_even_and_it_is_said_where_a_factor_makes_others(
    make_clip: MakeClip, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip("in.mkv", size=(54, 40), frames=1, codec="ffv1", options={}, audio=False)
    done = Job(source, tmp_path / "out.mkv", preset=NEAREST, scale=1.5).run()
    assert (done.video.width, done.video.height) == (80, 60)
    assert "the result is 80x60, not 81x60: both sides of a video are even" in caplog.text
    caplog.clear()
    Job(source, tmp_path / "out.mkv", preset=NEAREST, scale=3, overwrite=True).run()
    Job(source, tmp_path / "out.png", preset=NEAREST_PICTURES, scale=1.5).run()
    assert "even" not in caplog.text


def info_of(width: int, height: int, shape: Fraction | None = None, turned: bool = False) -> VideoInfo:
    matrix = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30) if turned else None
    return video_info(width=width, height=height, sample_aspect_ratio=shape, display_matrix=matrix)


@pytest.mark.parametrize(
    ("name", "source", "size"),
    [
        ("4k", info_of(1920, 1080), (3840, 2160)),
        ("4k", info_of(640, 480), (2880, 2160)),
        ("2160p", info_of(720, 576, Fraction(16, 15)), (2880, 2160)),
        ("4k", info_of(854, 480), (3840, 2160)),
        ("1080p", info_of(2048, 858), (1920, 804)),
        ("4k", info_of(1080, 1920), (2160, 3840)),
        ("1440p", info_of(1920, 1080, turned=True), (2560, 1440)),
        ("720p", info_of(100, 100), (720, 720)),
        ("300x400", info_of(1920, 1080, turned=True), (400, 224)),
        ("300x400", info_of(1920, 1080), (300, 168)),
        ("8k", info_of(3840, 2160), (7680, 4320)),
    ],
)
def test_a_result_is_as_large_as_fits_inside_its_size(name: str, source: VideoInfo, size: tuple[int, int]) -> None:
    box = parse_size(name)
    assert box is not None
    assert placed(box, source) == Placed(size, size, Fraction(1))


def test_or_it_has_bars_or_is_stretched() -> None:
    wide, dvd = info_of(2048, 858), info_of(720, 576, Fraction(16, 15))
    assert placed(Box(1920, 1080, "pad"), wide) == Placed((1920, 1080), (1920, 804), Fraction(1))
    assert placed(Box(1920, 1080, "stretch"), dvd) == Placed((1920, 1080), (1920, 1080), Fraction(3, 4))


def test_twice_is_what_it_is_without_a_size() -> None:
    assert result_size("x2") is None
    dvd = info_of(1440, 1152, Fraction(16, 15))
    assert placed(None, dvd) == Placed((1440, 1152), (1440, 1152), Fraction(16, 15))


@pytest.mark.parametrize(("target", "preset"), [("out.mkv", NEAREST), ("out.png", NEAREST_PICTURES)])
@pytest.mark.parametrize("box", [Box(200, 100, "pad"), Box(60, 140, "pad")])
def test_bars_are_black_and_the_picture_is_in_their_middle(
    target: str, preset: Preset, box: Box, make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip("in.mkv", frames=1, audio=False, codec="ffv1", options={})
    Job(source, tmp_path / target, preset=preset, size=box).run()
    with av.open(str(tmp_path / target)) as made:
        picture = next(made.decode(video=0))
    seen = picture.to_ndarray(format="rgb24").max(axis=2) > 40
    assert (picture.width, picture.height) == (box.width, box.height)
    rows, columns = seen.any(axis=1).nonzero()[0], seen.any(axis=0).nonzero()[0]
    inner = placed(box, info_of(64, 48)).inner
    for found, length, whole in ((columns, inner[0], box.width), (rows, inner[1], box.height)):
        assert found[0] == pytest.approx((whole - length) / 2, abs=3)
        assert found[-1] + 1 == pytest.approx((whole + length) / 2, abs=3)


def test_bars_around_a_transparent_picture_are_opaque(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "in.png"), np.full((40, 40, 4), (90, 90, 90, 128), np.uint8))
    Job(tmp_path / "in.png", tmp_path / "out.png", preset=NEAREST_PICTURES, size=Box(120, 80, "pad")).run()
    made = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
    assert made is not None
    assert made[40, [5, 60, 115]].tolist() == [[0, 0, 0, 255], [90, 90, 90, 128], [0, 0, 0, 255]]


SOURCES = {
    "dvd": info_of(720, 576, Fraction(64, 45)),
    "480p": info_of(854, 480),
    "720p": info_of(1280, 720),
    "1080p": info_of(1920, 1080),
    "hdv": info_of(1440, 1080, Fraction(4, 3)),
    "qhd": info_of(960, 540),
}


@pytest.mark.parametrize(
    ("source", "size", "second"),
    [
        ("1080p", "4k", None),
        ("1080p", "1440p", None),
        ("1080p", "8k", (2880, 1620)),
        ("720p", "4k", (1920, 1080)),
        ("720p", "1440p", None),
        ("480p", "1080p", (1281, 720)),
        ("480p", "4k", (1281, 720)),
        ("480p", "720p", None),
        ("dvd", "4k", (1080, 864)),
        ("dvd", "1080p", (1080, 864)),
        ("hdv", "4k", (2160, 1620)),
        ("qhd", "x2.2", None),
        ("qhd", "x2.5", (1440, 810)),
        ("qhd", "x4", (1440, 810)),
        ("qhd", "x1", None),
    ],
)
def test_the_network_runs_twice_where_a_filter_would_do_worse(
    source: str, size: str, second: tuple[int, int] | None
) -> None:
    info, wanted = SOURCES[source], parse_size(size)
    made = replace(info, width=2 * info.width, height=2 * info.height, source_size=(info.width, info.height))
    assert second_input(wanted, info) == second_input(wanted, made) == second
    assert placed(wanted, info) == placed(wanted, made) or wanted is None


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("1.5", Fraction(3, 2)),
        ("x3", Fraction(3)),
        ("4", Fraction(4)),
        ("0.5", Fraction(1, 2)),
        ("X1.25", Fraction(5, 4)),
    ],
)
def test_a_factor_keeps_the_shape_of_pixels_and_makes_sides_even(text: str, factor: Fraction) -> None:
    scale = parse_size(text)
    assert scale == Scale(factor)
    odd = info_of(853, 479, Fraction(16, 15))
    size = tuple(round(side * factor / 2) * 2 for side in (853, 479))
    assert placed(scale, odd) == Placed((size[0], size[1]), (size[0], size[1]), Fraction(16, 15))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize(
    ("source", "asked", "size"),
    [
        ((1, 1), {"size": "2x2"}, (2, 2)),
        ((1, 1), {"size": "1x1"}, (1, 1)),
        ((1, 2), {"scale": 1.5}, (2, 3)),
        ((1, 2), {"size": "3x1", "fit": "stretch"}, (3, 1)),
        ((64, 48), {"size": "2x3", "fit": "pad"}, (2, 3)),
        ((16, 8), {"scale": 0.125}, (2, 1)),
    ],
)
def test_pictures_may_have_any_size_down_to_one_pixel(
    source: tuple[int, int], asked: dict[str, Any], size: tuple[int, int], suffix: str, tmp_path: Path
) -> None:
    assert cv2.imwrite(str(tmp_path / "in.png"), np.full((source[1], source[0], 3), 90, np.uint8))
    Job(tmp_path / "in.png", tmp_path / f"out.{suffix}", preset=NEAREST_PICTURES, **asked).run()
    made = cv2.imread(str(tmp_path / f"out.{suffix}"))
    assert made is not None
    assert made.shape == (size[1], size[0], 3)
    assert np.abs(made[0].astype(int) - 90).max() <= 2


@pytest.mark.slow(seconds=1)
def test_a_pixel_goes_through_a_network_twice() -> None:
    with Upscaler("luma", scale=3) as up:
        assert up(np.full((1, 1, 3), 90, np.uint8)).shape == (3, 3, 3)


def test_a_video_has_sides_of_four_pixels_or_more(make_clip: MakeClip, tmp_path: Path) -> None:
    words = "'2x2' isn't supported: sides go from 4 to 16384 pixels, and those of pictures from 1 pixel on"
    with pytest.raises(OptionError, match=words):
        Job("in.mkv", "out.mkv", size="2x2")
    source = make_clip("in.mkv", size=(16, 16), frames=1, audio=False, codec="ffv1", options={})
    with pytest.raises(OptionError, match=words):
        Job(source, tmp_path / "out.mkv", preset=NEAREST, scale=0.125).run()


@pytest.mark.parametrize("text", ["0", "17", "x0.1", "1080", "99999999999999999999999"])
def test_factors_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"use a factor from 0\.125 to 16, or a size such as 1080p"):
        parse_size(text)


@pytest.mark.slow
def test_a_live_stream_has_the_size_and_says_its_colours(tmp_path: Path) -> None:
    target = tmp_path / "out.ts"
    preset = load_preset("live").updated("engine", name="nearest")
    source = parse_source("pattern://64x48@10?seconds=4")
    LiveJob(source, (parse_target(str(target)),), preset=preset, size=Box(96, 72)).run()
    with av.open(str(target)) as result:
        first = next(result.decode(video=0))
    assert (first.width, first.height, first.colorspace, first.color_range) == (96, 72, 6, 1)


@pytest.mark.slow
def test_a_live_stream_keeps_its_scale_when_its_source_changes_size(tmp_path: Path) -> None:
    parts = [write_clip(tmp_path / f"{n}.ts", size=size, frames=50) for n, size in enumerate([(64, 48), (128, 96)])]
    source = tmp_path / "both.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    target = tmp_path / "out.ts"
    preset = load_preset("live").updated("engine", name="nearest")
    done = LiveJob(parse_source(str(source)), (parse_target(str(target)),), preset=preset, scale=3).run()
    with av.open(str(target)) as result:
        sizes = [(frame.width, frame.height) for frame in result.decode(video=0)]
    assert len(sizes) > 60
    assert {*sizes} == {(192, 144)}
    assert done.engine is not None
    assert done.engine.passes == 2
    assert done.intake is not None
    assert done.intake.rung_name in {rung.name for rung in rungs_for(twice=True, light=True)}
