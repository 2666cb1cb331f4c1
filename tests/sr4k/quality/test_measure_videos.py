"""``sr4k compare`` on videos whose measures are known."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from sr4k.cli.main import app
from sr4k.errors import InputError
from sr4k.media.planes import rows_of
from sr4k.quality.measure_videos import compare_videos

Planes = list[NDArray[Any]]
TAGS = ("colorspace", "color_range", "color_primaries", "color_trc")


def write(
    path: Path,
    pictures: list[Planes],
    pix_fmt: str = "yuv420p",
    tags: tuple[int, ...] = (2, 0, 2, 2),
    rate: int = 25,
) -> Path:
    height, width = pictures[0][0].shape
    with av.open(str(path), "w") as out:
        video = out.add_stream("ffv1", rate=rate)
        video.width, video.height, video.pix_fmt = width, height, pix_fmt
        for number, planes in enumerate(pictures):
            picture = av.VideoFrame(width, height, pix_fmt)
            for plane, values in zip(picture.planes, planes, strict=True):
                rows = rows_of(plane, "uint16" if "10" in pix_fmt else "uint8")
                rows[: values.shape[0], : values.shape[1]] = values
            for name, value in zip(TAGS, tags, strict=True):
                setattr(picture, name, value)
                setattr(video.codec_context, name, value)
            picture.pts, picture.time_base = number, Fraction(1, rate)
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
    return path


def noise(height: int = 72, width: int = 100, seed: int = 0, *, unit: int = 1) -> Planes:
    """Y, U and V of 4:2:0, well inside their ranges."""
    draw = np.random.default_rng(seed)
    shapes = [(height, width), *[(height // 2, width // 2)] * 2]
    return [unit * draw.integers(60, 190, shape) for shape in shapes]


def moved(planes: Planes, *by: int) -> Planes:
    return [plane + step for plane, step in zip(planes, by, strict=True)]


def compared(*args: object) -> str:
    done = CliRunner().invoke(app, ["compare", *map(str, args)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_chroma_is_measured(tmp_path: Path) -> None:
    reference = write(tmp_path / "a.mkv", [noise()])
    video = write(tmp_path / "b.mkv", [moved(noise(), 0, 4, 8)])
    mean = compare_videos(video, reference).mean()
    assert mean["PSNR"] == np.inf
    assert mean["PSNR Cb"] == pytest.approx(20 * np.log10(255 / 4), abs=0.01)
    assert mean["PSNR Cr"] == pytest.approx(20 * np.log10(255 / 8), abs=0.01)


def test_only_the_measures_that_are_asked_for_are_computed(tmp_path: Path) -> None:
    video, reference = write(tmp_path / "b.mkv", [moved(noise(), 1, 4, 8)]), write(tmp_path / "a.mkv", [noise()])
    course, whole = compare_videos(video, reference, ["PSNR Cb", "SSIM"]), compare_videos(video, reference)
    assert [*course.measures] == ["PSNR Cb", "SSIM"]
    assert course.mean() == {name: whole.mean()[name] for name in course.measures}
    assert course.lacking == ()  # nothing is said of the VMAF that frames this small can't have
    assert any("VMAF" in each for each in whole.lacking)


@pytest.mark.parametrize("step", [1, 2])
def test_ten_bits_are_kept(step: int, tmp_path: Path) -> None:
    planes = noise(unit=4)
    reference = write(tmp_path / "a.mkv", [planes], "yuv420p10le")
    video = write(tmp_path / "b.mkv", [moved(planes, step, 0, 0)], "yuv420p10le")
    course = compare_videos(video, reference)
    assert course.bits == 10
    assert course.mean()["PSNR"] == pytest.approx(20 * np.log10(1023 / step), abs=0.01)


def test_ten_bits_are_weighed_as_eight_are(tmp_path: Path) -> None:
    figures = []
    for unit, pix_fmt in ((1, "yuv420p"), (4, "yuv420p10le")):
        pictures = [noise(seed=seed, unit=unit) for seed in range(3)]
        off = [moved(planes, *[unit * (number + 1)] * 3) for number, planes in enumerate(pictures)]
        reference = write(tmp_path / f"a{unit}.mkv", pictures, pix_fmt)
        figures.append(
            [f["XPSNR"] for f in compare_videos(write(tmp_path / f"b{unit}.mkv", off, pix_fmt), reference).frames]
        )
    assert figures[0] == pytest.approx(figures[1], abs=0.1)


def test_errors_weigh_by_what_the_reference_shows(tmp_path: Path) -> None:
    """Noise on a smooth picture is seen, a smooth picture in place of noise less: the reference decides."""
    flat = [np.full((72, 128), 125), *[np.full((36, 64), 128)] * 2]
    busy = noise(width=128)
    a, b = write(tmp_path / "flat.mkv", [flat] * 2), write(tmp_path / "busy.mkv", [[busy[0], *flat[1:]]] * 2)
    spoilt, smoothed = compare_videos(b, a).mean(), compare_videos(a, b).mean()
    assert spoilt["PSNR"] == pytest.approx(smoothed["PSNR"])
    assert spoilt["XPSNR"] < smoothed["XPSNR"] - 5


def test_errors_weigh_by_how_long_a_picture_is_seen(tmp_path: Path) -> None:
    pictures = [[np.roll(plane, 3 * number, axis=1) for plane in noise()] for number in range(3)]
    off = [moved(planes, 3, 3, 3) for planes in pictures]
    found = [
        compare_videos(write(tmp_path / "b.mkv", off, rate=rate), write(tmp_path / "a.mkv", pictures, rate=rate)).mean()
        for rate in (25, 60)
    ]
    assert found[0]["PSNR"] == pytest.approx(found[1]["PSNR"])
    assert found[1]["XPSNR"] > found[0]["XPSNR"] + 0.2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((1, 1, 1, 1), (1, 1, 1, 1), True),
        ((6, 1, 6, 6), (2, 0, 2, 2), True),  # what is untagged and low is BT.601
        ((1, 1, 1, 1), (2, 0, 2, 2), False),
        ((6, 1, 6, 6), (6, 2, 6, 6), False),
    ],
)
def test_colours_are_compared_as_they_are_shown(
    one: tuple[int, ...], other: tuple[int, ...], same: bool, tmp_path: Path
) -> None:
    red = [[np.full((64, 64), 81), np.full((32, 32), 90), np.full((32, 32), 230)]]
    course = compare_videos(write(tmp_path / "a.mkv", red, tags=one), write(tmp_path / "b.mkv", red, tags=other))
    figures = [course.mean()[name] for name in ("PSNR", "PSNR Cb", "PSNR Cr")]
    assert (min(figures) > 50) == same
    assert bool(course.notes) != same


def test_what_is_converted_is_what_it_was(tmp_path: Path) -> None:
    """The same red by either matrix."""
    ours = [[np.full((64, 64), 81), np.full((32, 32), 90), np.full((32, 32), 240)]]
    theirs = [[np.full((64, 64), 63), np.full((32, 32), 102), np.full((32, 32), 240)]]
    a, b = write(tmp_path / "a.mkv", ours, tags=(6, 1, 1, 1)), write(tmp_path / "b.mkv", theirs, tags=(1, 1, 1, 1))
    mean = compare_videos(a, b).mean()
    assert min(mean["PSNR"], mean["PSNR Cb"], mean["PSNR Cr"]) > 48


SDR, PQ = (1, 1, 1, 1), (1, 1, 1, 16)


@pytest.mark.parametrize(
    ("one", "other", "notes"),
    [
        (PQ, SDR, ["the transfer characteristics differ, PQ (HDR) and BT.709"]),
        (SDR, (1, 1, 1, 18), ["the transfer characteristics differ, BT.709 and HLG (HDR)"]),
        ((1, 1, 9, 1), SDR, ["the primaries differ, BT.2020 and BT.709"]),
        ((9, 1, 9, 16), (9, 1, 2, 2), ["the transfer characteristics differ, PQ (HDR) and unspecified"]),
        ((2, 0, 2, 2), (6, 1, 12, 6), ["the primaries differ, BT.709 and Display P3"]),
        ((2, 0, 2, 2), (6, 1, 5, 16), ["the transfer characteristics differ, BT.709 and PQ (HDR)"]),
        ((6, 1, 1, 13), (2, 0, 2, 2), []),  # untagged
        ((6, 1, 6, 14), (6, 1, 7, 1), []),  # other codes of the same
        ((6, 1, 6, 99), (6, 1, 6, 99), []),
    ],
)
def test_what_is_not_converted_is_told(
    one: tuple[int, ...], other: tuple[int, ...], notes: list[str], tmp_path: Path
) -> None:
    video, reference = (write(tmp_path / f"{n}.mkv", [noise()], tags=tags) for n, tags in enumerate((one, other)))
    course = compare_videos(video, reference, ["PSNR"])
    as_they_are = ": levels are compared as they are, but a player shows the videos differently"
    assert [*course.notes] == [note + as_they_are for note in notes]
    assert course.mean() == {"PSNR": np.inf}


@pytest.mark.slow(seconds=1)
def test_a_lost_hdr_tag_is_told_in_text_and_json(tmp_path: Path) -> None:
    video, reference = write(tmp_path / "a.mkv", [noise()], tags=PQ), write(tmp_path / "b.mkv", [noise()], tags=SDR)
    note, *_ = json.loads(compared(video, reference, "--json"))["notes"]
    assert note.startswith("the transfer characteristics differ, PQ (HDR) and BT.709: ")
    assert note in compared(video, reference)


@pytest.mark.parametrize(("alpha", "is_told"), [(0, True), (254, True), (255, False)])
def test_transparency_that_is_ignored_is_told(alpha: int, is_told: bool, tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    opaque, transparent = tmp_path / "rgb.png", tmp_path / "rgba.png"
    cv2.imwrite(str(opaque), rgb)
    cv2.imwrite(str(transparent), np.dstack([rgb, np.full((64, 64), alpha, np.uint8)]))
    told = (f"{transparent} is transparent in places: its colours are compared as if it were opaque",)
    for pair in ((transparent, opaque), (opaque, transparent)):
        assert compare_videos(*pair, ["PSNR"]).notes == (told if is_told else ())


def test_transparency_of_a_later_frame_is_told_once(tmp_path: Path) -> None:
    pictures = [[*noise(), np.full((72, 100), alpha)] for alpha in (255, 0, 0)]
    video = write(tmp_path / "a.mkv", pictures, "yuva420p")
    (note,) = compare_videos(video, write(tmp_path / "b.mkv", [noise()] * 3), ["PSNR"]).notes
    assert note.startswith(f"{video} is transparent in places")


def test_rgb_is_called_rgb(tmp_path: Path) -> None:
    video, gray = tmp_path / "a.png", [np.full((64, 64), 126), *[np.full((32, 32), 128)] * 2]
    cv2.imwrite(str(video), np.full((64, 64, 3), 128, np.uint8))
    reference = write(tmp_path / "b.mkv", [gray])
    (note,) = compare_videos(video, reference, ["PSNR"]).notes
    words = f"{video} is read as RGB, full range, {reference} as BT.601, limited range: matrix and range are converted"
    assert note == words


@pytest.mark.parametrize(("code", "is_told"), [(2, False), (1, True)])
def test_gray_has_no_matrix_that_could_differ_but_a_range(code: int, is_told: bool, tmp_path: Path) -> None:
    gray, planes = tmp_path / "a.png", noise()
    cv2.imwrite(str(gray), planes[0].astype(np.uint8))
    reference = write(tmp_path / "b.mkv", [planes], tags=(1, code, 1, 13))
    told = f"{gray} is read as gray, full range, {reference} as BT.709, limited range: matrix and range are converted"
    assert compare_videos(gray, reference, ["PSNR"]).notes == ((told,) if is_told else ())


def test_it_says_what_where_and_how_bad(tmp_path: Path) -> None:
    pictures = [noise(seed=seed) for seed in range(4)]
    off = [moved(planes, *[10 if number == 2 else 1] * 3) for number, planes in enumerate(pictures)]
    reference, video = write(tmp_path / "a.mkv", pictures), write(tmp_path / "b.mkv", [*off, pictures[0]])
    text = compared(video, reference)
    assert f"{video} against {reference}: 4 frames, 100x72, 8 bits" in text
    assert f"{video} is longer: only the first 4 frames are compared" in text
    (line,) = [line for line in text.splitlines() if "PSNR Cb" in line]
    assert line.split() == ["PSNR", "Cb", "43.13", "dB", "worst", "28.13", "dB", "at", "0:00:00.08", "(frame", "2)"]
    found = json.loads(compared(video, reference, "--json"))
    assert found["worst"]["PSNR"] == {"value": pytest.approx(28.13, abs=0.01), "frame": 2, "time": pytest.approx(0.08)}
    assert "no difference" in compared(reference, reference)


def test_frame_rates_that_differ_are_told(tmp_path: Path) -> None:
    pictures = [noise(seed=seed) for seed in range(4)]
    slow, fast = (write(tmp_path / f"{rate}.mkv", pictures, rate=rate) for rate in (15, 30))
    (note,) = compare_videos(slow, fast, ["PSNR"]).notes
    assert note == "the frame rates differ, 15 and 30: frames are paired by number, whatever their times"
    assert compare_videos(slow, slow, ["PSNR"]).notes == ()


def test_other_sizes_and_what_to_do(tmp_path: Path) -> None:
    small, large = write(tmp_path / "a.mkv", [noise()]), write(tmp_path / "b.mkv", [noise(144, 200)])
    with pytest.raises(InputError, match=r"a\.mkv is 100x72 and .*b\.mkv is 200x144: .*--size 200x144 .*--compare"):
        compare_videos(small, large)
    with pytest.raises(
        InputError, match=r"if .*b\.mkv is the reference, upscale .* --size 200x144, and name the result first"
    ):
        compare_videos(large, small)
