"""Results of a size that was asked for."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clips import MakeClip, luma_planes, write_clip
from numpy.typing import NDArray

from sr4k import Job, load_preset
from sr4k.live.address import parse_source, parse_target
from sr4k.live_job import LiveJob
from sr4k.models.metrics import psnr
from sr4k.models.resize import imresize

FAST = load_preset("file").updated("graph", mode="threads").updated("encode", crf=0, preset="ultrafast")
NEAREST = FAST.updated("engine", name="nearest")


def astronaut() -> NDArray[np.uint8]:
    from skimage import data

    return np.asarray(data.astronaut()[:288, 96:480], np.uint8)


def write_low(path: Path, low: NDArray[np.uint8]) -> Path:
    with av.open(str(path), "w") as out:
        video = out.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = low.shape[1], low.shape[0], "yuv420p"
        out.mux([*video.encode(av.VideoFrame.from_ndarray(low, format="rgb24")), *video.encode(None)])
    return path


@pytest.mark.parametrize("ratio", [Fraction(4, 3), Fraction(3)])
def test_it_is_better_than_lanczos_at_any_ratio(ratio: Fraction, tmp_path: Path) -> None:
    high = astronaut()
    rows, columns = (int(side / ratio) for side in high.shape[:2])
    source = write_low(tmp_path / "low.mkv", imresize(high, rows, columns))
    Job(source, tmp_path / "out.mkv", FAST.updated("engine", name="openvino"), size=(384, 288)).run()
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
    Job(source, tmp_path / "out.mkv", NEAREST.updated("engine", pixels=pixels), size=size).run()
    made, low = luma_planes(tmp_path / "out.mkv")[1], luma_planes(source)[1]
    assert made.shape == size[::-1]
    expected = cv2.resize(low, size, interpolation=cv2.INTER_AREA if size[0] < 64 else cv2.INTER_LINEAR)
    assert psnr(made, expected) > 25


def test_ten_bits_and_their_siting_stay(tmp_path: Path) -> None:
    source = write_clip(
        tmp_path / "in.mkv", frames=2, audio=False, codec="libx265", pix_fmt="yuv420p10le",
        options={"x265-params": "log-level=none:chromaloc=2"},
    )  # fmt: skip
    Job(source, tmp_path / "out.mkv", NEAREST, size=(96, 72)).run()
    with av.open(str(tmp_path / "out.mkv")) as result:
        first = next(result.decode(video=0))
    assert (first.width, first.height, first.format.name) == (96, 72, "yuv420p10le")


@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_too(channels: int, tmp_path: Path) -> None:
    pixels = np.full((40, 60, channels), 90, np.uint8)
    pixels[:, 30:] = 200
    assert cv2.imwrite(str(tmp_path / "in.png"), pixels)
    Job(tmp_path / "in.png", tmp_path / "out.png", NEAREST, size=(90, 60)).run()
    made = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
    assert made is not None
    assert made.shape == (60, 90, channels)
    assert np.abs(made[:, [10, 80]].astype(int) - [[90], [200]]).max() <= 1


@pytest.mark.parametrize(
    ("source", "shape", "size", "frame"),
    [
        ((1280, 720), None, (1920, 1080), (1280, 720)),
        ((1280, 720), None, (3840, 2160), (1280, 720)),
        ((640, 480), None, (1920, 1080), (854, 480)),
        ((720, 576), Fraction(64, 45), (1920, 1080), (1024, 576)),
        ((720, 480), Fraction(8, 9), (1440, 1080), (720, 540)),
        ((3840, 2160), None, (1280, 720), (1280, 720)),
    ],
)
def test_a_live_picture_goes_through_the_network_at_its_own_size(
    source: tuple[int, int], shape: Fraction | None, size: tuple[int, int], frame: tuple[int, int]
) -> None:
    from sr4k.live.timeline import TIME_BASE
    from sr4k.models.colour import Colour
    from sr4k.stages.fitting import framed
    from sr4k.stages.video import ColourTags, VideoInfo

    own = VideoInfo(*source, TIME_BASE, Fraction(25), shape, ColourTags(1, 1, 1, 1), Colour(), None)
    inside = framed(own, size)
    assert (inside.width, inside.height) == frame
    assert inside.sample_aspect_ratio == Fraction(size[0] * frame[1], size[1] * frame[0])


def test_a_live_stream_has_the_size_and_says_its_colours(tmp_path: Path) -> None:
    target = tmp_path / "out.ts"
    preset = load_preset("live").updated("engine", name="nearest")
    source = parse_source("pattern://64x48@10?seconds=4")
    LiveJob(source, (parse_target(str(target)),), preset, size=(96, 72)).run()
    with av.open(str(target)) as result:
        first = next(result.decode(video=0))
    assert (first.width, first.height, first.colorspace, first.color_range) == (96, 72, 6, 1)
