"""VMAF and VMAF-NEG of ``sr4k compare``, with each libvmaf that is installed: PyAV's and imageio-ffmpeg's."""

import json
import sys
from collections.abc import Container
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import av
import av.filter
import numpy as np
import pytest
from typer.testing import CliRunner

from sr4k.cli.main import app
from sr4k.errors import MachineError
from sr4k.media.planes import rows_of
from sr4k.quality import vmaf
from sr4k.quality.measure_videos import compare_videos

SIZE = (160, 96)
BUILT_IN, PROGRAM = "libvmaf" in av.filter.filters_available, find_spec("imageio_ffmpeg") is not None
WAYS = [
    pytest.param(True, id="pyav", marks=pytest.mark.skipif(not BUILT_IN, reason="PyAV's FFmpeg has no libvmaf")),
    pytest.param(False, id="program", marks=pytest.mark.skipif(not PROGRAM, reason="imageio-ffmpeg is not installed")),
]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether VMAF is measured by PyAV's filter."""
    monkeypatch.setattr(vmaf, "_is_built_in", lambda: request.param)
    return bool(request.param)


@pytest.fixture
def none_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vmaf, "_is_built_in", lambda: False)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)


def picture(number: int, form: str = "yuv420p", *, soft: bool = False, size: tuple[int, int] = SIZE) -> av.VideoFrame:
    """Blobs that move three columns a picture; ``soft``: blurred."""
    draw = np.random.default_rng(0).uniform(40, 210, (-(-size[1] // 8), -(-size[0] // 8)))
    draw = np.kron(draw, np.ones((8, 8)))[: size[1], : size[0]]
    for axis in (0, 1, 0, 1, 0, 1) if soft else (0, 1):
        draw = (np.roll(draw, -1, axis) + draw + np.roll(draw, 1, axis)) / 3
    unit, dtype = (4, "uint16") if form.endswith("10le") else (1, "uint8")
    frame = av.VideoFrame(*size, form)
    for plane in frame.planes:
        rows_of(plane, dtype)[:] = 128 * unit
    rows_of(frame.planes[0], dtype)[: size[1], : size[0]] = unit * np.roll(draw, 3 * number, axis=1)
    return frame


def video(path: Path, *, soft: Container[int] = (), count: int = 4, size: tuple[int, int] = SIZE) -> Path:
    """``soft``: the numbers of the pictures that are."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(count):
            frame = picture(number, soft=number in soft, size=size)
            frame.pts = number
            frame.time_base = 1 / stream.average_rate
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def scores(form: str = "yuv420p", size: tuple[int, int] = SIZE, count: int = 3) -> list[dict[str, float]]:
    with closing(vmaf.Vmaf(size, form)) as gauge:
        for number in range(count):
            gauge.add(picture(number, form, soft=True, size=size), picture(number, form, size=size))
        return list(gauge.scores())


def compared(*args: object) -> str:
    done = CliRunner().invoke(app, ["compare", *map(str, args)])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.usefixtures("way")
def test_a_result_is_judged_by_its_reference(tmp_path: Path) -> None:
    """A softer video scores low, a sharper one high, and NEG rewards sharpening less."""
    soft, sharp = video(tmp_path / "soft.mkv", soft=range(4)), video(tmp_path / "sharp.mkv")
    blurred, sharpened = compare_videos(soft, sharp).mean(), compare_videos(sharp, soft).mean()
    assert blurred["PSNR"] == pytest.approx(sharpened["PSNR"])
    assert blurred["VMAF"] < 85 < 95 < sharpened["VMAF"]
    assert sharpened["VMAF-NEG"] < sharpened["VMAF"] - 5
    assert blurred["VMAF-NEG"] == pytest.approx(blurred["VMAF"], abs=2)


@pytest.mark.usefixtures("way")
def test_frames_have_their_own_scores(tmp_path: Path) -> None:
    reference, result = video(tmp_path / "a.mkv"), video(tmp_path / "b.mkv", soft={2})
    text = compared(result, reference)
    lines = {line.split()[0]: line.split() for line in text.splitlines()[1:]}
    for name in ("VMAF", "VMAF-NEG"):
        assert lines[name][2] == "worst" and lines[name][-2:] == ["(frame", "2)"]
    found = json.loads(compared(result, reference, "--json"))
    frames = [frame["VMAF"] for frame in found["frames"]]
    assert frames[2] < 90 < 95 < min(frames[:2] + frames[3:])
    assert found["mean"]["VMAF"] == pytest.approx(np.mean(frames))
    assert found["worst"]["VMAF-NEG"]["frame"] == 2


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("form", ["yuv420p10le", "yuv444p", "yuv422p10le"])
def test_depth_and_chroma_make_no_difference(form: str) -> None:
    for one, other in zip(scores(), scores(form), strict=True):
        assert one == pytest.approx(other, abs=1)


@pytest.mark.usefixtures("way")
def test_odd_sides_are_measured_without_their_last_lines() -> None:
    odd = (SIZE[0] + 1, SIZE[1] + 1)
    with closing(vmaf.Vmaf(SIZE, "yuv420p")) as gauge:
        for number in range(3):
            gauge.add(cut(picture(number, soft=True, size=odd)), cut(picture(number, size=odd)))
        assert list(gauge.scores()) == scores(size=odd)


def cut(frame: av.VideoFrame) -> av.VideoFrame:
    less = av.VideoFrame(*SIZE, "yuv420p")
    for source, target in zip(frame.planes, less.planes, strict=True):
        rows_of(target)[: target.height, : target.width] = rows_of(source)[: target.height, : target.width]
    return less


@pytest.mark.skipif(not (BUILT_IN and PROGRAM), reason="needs both")
def test_both_ways_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for built_in in (True, False):
        monkeypatch.setattr(vmaf, "_is_built_in", lambda built_in=built_in: built_in)
        found.append(scores())
    assert found[0] == found[1]


@pytest.mark.usefixtures("none_here")
def test_without_libvmaf_the_rest_is_measured_and_one_line_says_what_to_install(tmp_path: Path) -> None:
    soft, sharp = video(tmp_path / "soft.mkv", soft=range(4)), video(tmp_path / "sharp.mkv")
    lines = compared(soft, sharp).splitlines()
    assert [line for line in lines if "VMAF" in line] == ["  no VMAF: it needs libvmaf: " + vmaf.INSTALL]
    assert sum("worst" in line for line in lines) == 5 - sum("no difference" in line for line in lines)
    found = json.loads(compared(soft, sharp, "--json"))
    assert list(found["mean"]) == ["PSNR", "PSNR Cb", "PSNR Cr", "SSIM", "XPSNR"]
    assert vmaf.INSTALL in found["notes"][0]


@pytest.mark.parametrize("size", [(94, 200), (200, 94), (32, 32), (6, 300)])
def test_what_is_too_small_for_a_measure_is_said(size: tuple[int, int], tmp_path: Path) -> None:
    """FFmpeg's and libvmaf's filters crash with frames of 32x32 and less."""
    soft, sharp = (video(tmp_path / f"{len(which)}.mkv", soft=which, size=size) for which in (range(4), ()))
    course = compare_videos(soft, sharp)
    assert "no VMAF: it needs frames of 96x96 or more" in course.lacking
    assert 20 < course.mean()["PSNR"] < 40
    assert ("XPSNR" in course.measures) != ("no XPSNR: the frames are too small" in course.lacking)
    assert ("SSIM" in course.measures) != ("no SSIM: the frames are too small" in course.lacking)
    assert ("XPSNR" in course.measures) == (size[0] * size[1] > 2024)
    assert ("SSIM" in course.measures) == (min(size) >= 8)


@pytest.mark.usefixtures("way")
def test_nothing_is_left_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    scores()
    with closing(vmaf.Vmaf(SIZE, "yuv420p")) as gauge:  # left early
        gauge.add(picture(0, soft=True), picture(0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not PROGRAM, reason="imageio-ffmpeg is not installed")
def test_an_ffmpeg_that_fails_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text('#!/bin/sh\n[ "$2" = -h ] && exec echo "Filter libvmaf"\necho "no room" >&2; exit 3\n')
    ffmpeg.chmod(0o755)
    monkeypatch.setattr(vmaf, "_is_built_in", lambda: False)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(ffmpeg))
    with pytest.raises(MachineError, match=r"VMAF can't be measured: no room\."):
        scores(count=30)


@pytest.mark.skipif(not PROGRAM, reason="imageio-ffmpeg is not installed")
def test_an_ffmpeg_without_libvmaf_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vmaf, "_is_built_in", lambda: False)
    for absent in ("/bin/true", str(tmp_path / "nowhere")):
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", absent)
        assert vmaf.lack(SIZE) == f"no VMAF: it needs libvmaf: {vmaf.INSTALL}"
