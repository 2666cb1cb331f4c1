"""How compressed a video is, as the meter sees it in real streams."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import MakeClip
from skimage import data as pictures

from sr4k.media.quality_meter import QualityMeter
from sr4k.models.source_quality import GRADES, grade, like_h264

SIZE = (320, 240)


def measured(path: Path, since: float = 0.0, **settings: str | int) -> list[int]:
    """The grade of each picture, read from the last key frame before ``since`` seconds on."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for name, value in settings.items():
            setattr(stream, name, value)
        meter = QualityMeter(stream)
        if since:
            container.seek(int(since / stream.time_base), stream=stream)
        found = []
        for packet in container.demux(stream):
            meter.sent(packet)
            found += [meter.of(frame) for frame in packet.decode()]
        return found


def panned(frames: int) -> Iterator[av.VideoFrame]:
    """A photograph that moves."""
    for number in range(frames):
        rgb = pictures.astronaut()[2 * number : 2 * number + SIZE[1], number : number + SIZE[0]]
        yield av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24").reformat(format="yuv420p")


def encoded(path: Path, codec: str, frames: int = 12, **options: str) -> Path:
    with av.open(str(path), "w") as target:
        stream = target.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number, frame in enumerate(panned(frames)):
            frame = frame.reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("qp", "expected"), [(14, 14), (24, 25), (29, 30), (39, 40)])
def test_the_quantiser_of_h264_is_read(qp: int, expected: int, tmp_path: Path) -> None:
    found = measured(
        encoded(tmp_path / "a.mkv", "libx264", qp=str(qp), preset="ultrafast", **{"x264-params": "ipratio=1"})
    )
    assert set(found[1:]) == {expected}, "the first, an I frame, is taken to be finer than the video"


X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
CONSTANT = "log-level=none:aq-mode=0:cutree=0:bframes=0:ipratio=1:qp={}"


@pytest.mark.parametrize(("qp", "expected"), [(17, 20), (23, 25), (29, 30), (40, 40)])
def test_the_quantiser_of_hevc_is_read(qp: int, expected: int, tmp_path: Path) -> None:
    params = {"x265-params": CONSTANT.format(qp)}
    assert set(measured(encoded(tmp_path / "a.mkv", "libx265", frames=4, **(X265 | params)))) == {expected}


@pytest.mark.parametrize(("crf", "expected"), [(18, 20), (23, 25), (28, 30), (33, 35)])
def test_that_of_x265_is_taken_to_be_finer_than_its_headers_say(crf: int, expected: int, tmp_path: Path) -> None:
    options = {"preset": "veryfast", "x265-params": "log-level=none", "crf": str(crf)}
    assert set(measured(encoded(tmp_path / "a.mkv", "libx265", frames=8, **options))) == {expected}


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("form", ["hevc", "flv"])
def test_the_grade_of_hevc_changes_at_a_key_frame(form: str, tmp_path: Path) -> None:
    """Raw streams have no pts; parts of different headers follow each other in live streams."""
    parts = [
        encoded(tmp_path / f"{qp[:2]}.{form}", "libx265", frames=6, **(X265 | {"x265-params": CONSTANT.format(qp)}))
        for qp in ("17:sao=1", "40:sao=0")
    ]
    first, second = (part.read_bytes() for part in parts)
    (tmp_path / f"both.{form}").write_bytes(first + (second[13:] if form == "flv" else second))  # without its head
    found = measured(tmp_path / f"both.{form}", thread_type="FRAME", thread_count=4)
    assert found == 6 * [20] + 6 * [40]


def test_a_lossless_source_is_clean(make_clip: MakeClip, tmp_path: Path) -> None:
    assert set(measured(make_clip("a.mkv", codec="ffv1", frames=3, audio=False, options={"level": "3"}))) == {0}
    assert set(measured(encoded(tmp_path / "b.mkv", "libx264", frames=3, qp="0", preset="ultrafast"))) <= {0}
    lossless = X265 | {"x265-params": "log-level=none:lossless=1"}
    assert set(measured(encoded(tmp_path / "c.mkv", "libx265", frames=3, **lossless))) == {0}


VP9 = {"b": "0", "deadline": "realtime"}


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(
    ("codec", "fine", "coarse"),
    [
        ("libx265", X265 | {"crf": "8"}, X265 | {"crf": "36"}),
        ("libsvtav1", {"crf": "20", "preset": "12"}, {"crf": "60", "preset": "12"}),
        ("libvpx-vp9", VP9 | {"crf": "10"}, VP9 | {"crf": "60"}),
        ("mpeg4", {"qmin": "2", "qmax": "2"}, {"qmin": "20", "qmax": "20"}),
        ("mpeg2video", {"qmin": "2", "qmax": "2"}, {"qmin": "20", "qmax": "20"}),
        ("mjpeg", {"qmin": "2", "qmax": "2"}, {"qmin": "25", "qmax": "25"}),
    ],
)
def test_what_is_compressed_more_has_a_higher_grade(
    codec: str, fine: dict[str, str], coarse: dict[str, str], tmp_path: Path
) -> None:
    assert np.mean(measured(encoded(tmp_path / "fine.mkv", codec, **fine))) <= 20
    assert np.mean(measured(encoded(tmp_path / "coarse.mkv", codec, **coarse))) >= 30


@pytest.mark.slow(seconds=1)
def test_grades_do_not_depend_on_where_reading_began(tmp_path: Path) -> None:
    path = encoded(tmp_path / "a.mkv", "libx264", frames=30, crf="26", preset="veryfast", g="10", sc_threshold="0")
    whole, later = measured(path), measured(path, since=0.9)
    assert 0 < len(later) < len(whole)
    assert later == whole[-len(later) :]


def test_a_grade_is_kept_while_the_quality_is_hardly_nearer_to_another() -> None:
    between = (GRADES[2] + GRADES[3]) / 2
    assert grade(between + 0.5, GRADES[2]) == GRADES[2]
    assert grade(between + 0.5, GRADES[3]) == GRADES[3]
    assert grade(between + 2, GRADES[2]) == GRADES[3]


def test_codecs_are_compared_by_what_is_lost() -> None:
    assert like_h264("h264", 60) == 51
    assert 28 < like_h264("jpeg", 75) + 2 < 30
    assert np.all(np.diff(like_h264("av1", np.arange(64))) >= 0)


@pytest.mark.parametrize("damage", ["cut off", "zeros", "no table"])
def test_a_jpeg_without_a_whole_table_of_quantisers_tells_nothing(damage: str, tmp_path: Path) -> None:
    path = encoded(tmp_path / "a.avi", "mjpeg", frames=2)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        meter = QualityMeter(stream)
        whole = next(packet for packet in container.demux(stream) if packet.size)
        data = bytes(whole)
        at = data.index(b"\xff\xdb")
        damaged = {
            "cut off": [data[:length] for length in range(1, at + 69)],
            "zeros": [data[: at + 5] + bytes(len(data) - at - 5)],
            "no table": [data.replace(b"\xff\xdb", b"\xff\xfe")],
        }
        for number, short in enumerate(damaged[damage]):
            packet = av.Packet(short)
            packet.pts, packet.is_keyframe = number, True
            meter.sent(packet)
            assert not meter._told
        meter.sent(whole)
        assert meter._told
