"""Streams whose pictures change size, shape or format midway, in whole jobs without the network."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from clips import luma_planes, video_times
from numpy.typing import NDArray

from sr4k import Job, Summary, load_preset
from sr4k.media.options import Box

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
LOSSLESS = PRESET.updated("encode", preset="ultrafast", crf=0)

Kind = tuple[int, int, str, Fraction | None]
"""Width, height, pixel format and sample aspect ratio of pictures."""


def upscale(source: Path, target: Path, **job: Any) -> Summary:
    return Job(source, target, preset=LOSSLESS, **job).run()


def write(path: Path, kinds: list[Kind], codec: str = "libx264", each: int = 3) -> Path:
    """Write a bright clip with a few pictures of each kind."""
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = kinds[0][:3]
        video.time_base = Fraction(1, 25)
        for number, (width, height, pixel_format, shape) in enumerate(kinds):
            encoder = av.CodecContext.create(codec, "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, pixel_format
            encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
            encoder.options = {"crf": "5", "x264-params": "bframes=0"} if codec == "libx264" else {}
            if shape is not None:
                encoder.sample_aspect_ratio = shape
            encoder.color_range, encoder.colorspace = 2 if pixel_format.startswith("yuvj") else 1, 6
            packets = []
            for k in range(each):
                bright = np.full((height, width, 3), 200, np.uint8)
                one = VideoFrame.from_ndarray(bright, format="rgb24").reformat(format=pixel_format)
                one.pts, one.time_base = each * number + k, Fraction(1, 25)
                packets += encoder.encode(one)
            for packet in packets + encoder.encode(None):
                packet.stream = video
                out.mux(packet)
    return path


def inner(luma: NDArray[np.uint8]) -> tuple[int, int]:
    """Return width and height of the area without bars."""
    return int((luma > 60).any(axis=0).sum()), int((luma > 60).any(axis=1).sum())


FIRST: Kind = (96, 64, "yuv420p", None)


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ((192, 128, "yuv420p", None), (192, 128)),
        ((48, 32, "yuv420p", None), (192, 128)),
        ((64, 64, "yuv420p", None), (128, 128)),
        ((96, 32, "yuv420p", None), (192, 64)),
        ((97, 64, "yuv444p", None), (192, 128)),
        ((96, 64, "yuv420p", Fraction(2, 3)), (128, 128)),
        ((96, 64, "yuv420p", Fraction(2)), (192, 64)),
        ((48, 64, "yuv420p", Fraction(2)), (192, 128)),
        ((96, 64, "yuv444p", None), (192, 128)),
        ((96, 64, "yuv420p10le", None), (192, 128)),
    ],
)
def test_pictures_keep_their_shape_inside_the_first_ones_size(
    kind: Kind, shown: tuple[int, int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write(tmp_path / "in.ts", [FIRST, kind, FIRST])
    summary = upscale(source, tmp_path / "out.mp4")
    planes = luma_planes(tmp_path / "out.mp4")
    assert {plane.shape for plane in planes} == {(128, 192)}
    assert [inner(plane) for plane in planes] == [(192, 128)] * 3 + [shown] * 3 + [(192, 128)] * 3
    assert video_times(tmp_path / "out.mp4") == video_times(source)
    assert caplog.text.count("the picture changes to") == 1
    assert [change.at - video_times(source)[0] for change in summary.source.changes] == pytest.approx(
        [0.12, 0.24], abs=1e-6
    )
    assert f"{kind[0]}x{kind[1]} ({kind[2]}" in summary.source.changes[0].to
    assert not summary.damaged


def test_levels_stay_when_the_range_changes(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ts", [FIRST, (96, 64, "yuvj420p", None)])
    upscale(source, tmp_path / "out.mp4")
    levels = [float(plane.mean()) for plane in luma_planes(tmp_path / "out.mp4")]
    assert levels[3:] == pytest.approx(levels[:3], abs=1.1)
    assert float(luma_planes(source)[-1].mean()) > levels[0] + 5


def test_with_an_exact_size_they_are_fitted_into_that(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ts", [FIRST, (64, 64, "yuv420p", None)])
    upscale(
        source, tmp_path / "out.mp4", size=Box(192, 192, "stretch")
    )  # the first one is stretched, and has the sample aspect ratio to match
    assert [inner(plane) for plane in luma_planes(tmp_path / "out.mp4")] == [(192, 192)] * 3 + [(128, 192)] * 3


@pytest.mark.slow(seconds=1)
def test_the_first_pictures_shape_counts(tmp_path: Path) -> None:
    anamorphic, square = (96, 64, "yuv420p", Fraction(4, 3)), (96, 64, "yuv420p", Fraction(1))
    source = write(tmp_path / "in.ts", [anamorphic, square], each=60)  # libav probes the stream for its aspect ratio
    upscale(source, tmp_path / "out.mp4")
    assert [inner(plane) for plane in luma_planes(tmp_path / "out.mp4")] == [(192, 128)] * 60 + [(144, 128)] * 60
    with av.open(str(tmp_path / "out.mp4")) as result:
        assert result.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_a_steady_stream_has_no_changes(tmp_path: Path) -> None:
    assert upscale(write(tmp_path / "in.ts", [FIRST] * 4), tmp_path / "out.mp4").source.changes == ()
