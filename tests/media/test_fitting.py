from fractions import Fraction

import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from sr4k.live.timeline import TIME_BASE
from sr4k.media.fitting import fitted
from sr4k.media.look import DecodedPicture, Look
from sr4k.media.planes import rows_of
from sr4k.media.video import BT601, BT709, FULL_RANGE, LIMITED_RANGE, ColourTags, VideoInfo
from sr4k.models.colour import Colour, Matrix

KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
CODES = {"bt601": BT601, "bt709": BT709}


def info(
    width: int = 320, height: int = 180, sar: Fraction | None = None, matrix: Matrix = "bt601", *, full: bool = False
) -> VideoInfo:
    tags = ColourTags(CODES[matrix], FULL_RANGE if full else LIMITED_RANGE, CODES[matrix], CODES[matrix])
    return VideoInfo(
        width=width,
        height=height,
        time_base=TIME_BASE,
        rate=Fraction(25),
        sample_aspect_ratio=sar,
        tags=tags,
        colour=Colour(matrix, full_range=full),
    )


def flat(
    size: tuple[int, int],
    value: tuple[int, int, int] = (180, 100, 150),
    matrix: str = "bt601",
    *,
    full: bool = False,
    pixel_format: str = "yuv420p",
) -> VideoFrame:
    picture = VideoFrame(*size, pixel_format)
    for plane, level in zip(picture.planes, value, strict=True):
        rows_of(plane)[:] = level
    picture.colorspace, picture.color_range = CODES[matrix], FULL_RANGE if full else LIMITED_RANGE
    return picture


def fit(frame: VideoFrame, info: VideoInfo, sample_aspect_ratio: Fraction | None = None) -> VideoFrame:
    return fitted(DecodedPicture(frame, Look.of(frame, sample_aspect_ratio=sample_aspect_ratio)), info).frame


def planes(picture: VideoFrame) -> list[NDArray[np.uint8]]:
    width, height = picture.width, picture.height
    sizes = [(height, width), *[(-(-height // 2), -(-width // 2))] * 2]
    return [rows_of(plane)[:h, :w] for plane, (h, w) in zip(picture.planes, sizes, strict=True)]


def inner(picture: VideoFrame) -> tuple[int, int]:
    """Return width and height of the area without bars."""
    luma = planes(picture)[0]
    rows, columns = (luma > 60).any(axis=1), (luma > 60).any(axis=0)
    return int(columns.sum()), int(rows.sum())


def test_a_picture_that_fits_is_not_touched() -> None:
    picture = flat((320, 180))
    assert fit(picture, info()) is picture


@pytest.mark.parametrize(
    ("size", "sar", "frame", "expected"),
    [
        ((640, 360), None, info(), (320, 180)),
        ((160, 90), None, info(), (320, 180)),
        ((240, 180), None, info(), (240, 180)),  # 4:3: bars left and right
        ((180, 320), None, info(), (102, 180)),  # upright
        ((420, 180), None, info(), (320, 138)),  # wide: bars above and below
        ((720, 576), Fraction(64, 45), info(1024, 576), (1024, 576)),  # 16:9 of PAL
        ((720, 576), Fraction(16, 15), info(1024, 576), (768, 576)),  # 4:3 of PAL
        ((720, 576), Fraction(16, 15), info(720, 576, Fraction(64, 45)), (540, 576)),  # shape changed, size did not
        ((768, 576), None, info(720, 576, Fraction(16, 15)), (720, 576)),
        ((2, 1000), None, info(), (2, 180)),
        ((1000, 2), None, info(), (320, 2)),
        ((854, 480), None, info(), (320, 180)),  # 16:9 but for rounding
        ((321, 181), None, info(), (320, 180)),
    ],
)
def test_the_shape_is_kept_and_bars_fill_the_rest(
    size: tuple[int, int], sar: Fraction | None, frame: VideoInfo, expected: tuple[int, int]
) -> None:
    picture = fit(flat(size), frame, sar)
    assert (picture.width, picture.height) == (frame.width, frame.height)
    assert inner(picture) == expected


@pytest.mark.parametrize("full", [False, True])
def test_bars_are_black_and_the_picture_is_in_the_middle(full: bool) -> None:
    y, u, v = planes(fit(flat((240, 180), full=full), info(full=full)))
    black = 0 if full else 16
    assert (y[:, :40] == black).all()
    assert (y[:, 280:] == black).all()
    assert (u[:, :20] == 128).all()
    assert (v[:, 140:] == 128).all()
    assert abs(int(y[90, 160]) - 180) <= 1
    assert abs(int(u[45, 80]) - 100) <= 1
    assert abs(int(v[45, 80]) - 150) <= 1


@pytest.mark.parametrize("size", [(161, 91), (101, 90), (320, 181), (319, 180)])
def test_odd_sizes_fit_and_are_fitted(size: tuple[int, int]) -> None:
    width, height = size
    assert [p.shape for p in planes(fit(flat((320, 180)), info(width, height)))] == [
        (height, width),
        *[(-(-height // 2), -(-width // 2))] * 2,
    ]
    assert fit(flat(size), info()).width == 320


def as_rgb(value: NDArray[np.float64], matrix: str, *, full: bool) -> NDArray[np.float64]:
    kr, kb = KR_KB[matrix]
    y, u, v = value
    y, u, v = (
        (y / 255, (u - 128) / 255, (v - 128) / 255) if full else ((y - 16) / 219, (u - 128) / 224, (v - 128) / 224)
    )
    red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    return np.array([red, (y - kr * red - kb * blue) / (1 - kr - kb), blue])


@pytest.mark.parametrize("size", [(320, 180), (640, 360)], ids=["same size", "scaled"])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        (("bt709", False), ("bt601", False)),
        (("bt601", False), ("bt709", False)),
        (("bt601", True), ("bt601", False)),
        (("bt709", True), ("bt601", False)),
        (("bt601", False), ("bt601", True)),
    ],
)
def test_colours_stay_what_they_are_on_the_screen(
    size: tuple[int, int], source: tuple[Matrix, bool], target: tuple[Matrix, bool]
) -> None:
    value = (120, 100, 160)
    picture = fit(flat(size, value, source[0], full=source[1]), info(matrix=target[0], full=target[1]))
    got = np.array([float(plane[40, 60]) for plane in planes(picture)])
    expected = as_rgb(np.array(value, float), source[0], full=source[1])
    assert np.abs(as_rgb(got, target[0], full=target[1]) - expected).max() < 3.5 / 255
    assert np.abs(as_rgb(np.array(value, float), target[0], full=target[1]) - expected).max() > 4 / 255


@pytest.mark.parametrize("name", ["yuv422p", "yuv444p", "yuvj420p"])
def test_other_pixel_formats_become_8_bit_420(name: str) -> None:
    picture = fit(flat((320, 180), full=name.startswith("yuvj"), pixel_format=name), info())
    assert picture.format.name == "yuv420p"
    level = 180 if not name.startswith("yuvj") else 16 + 180 * 219 / 255
    assert abs(float(planes(picture)[0].mean()) - level) < 1.5


def test_rgb_becomes_the_colours_of_the_frame() -> None:
    drawn = VideoFrame.from_ndarray(np.full((180, 320, 3), (200, 60, 30), np.uint8), format="rgb24")
    got = np.array([float(plane[40, 60]) for plane in planes(fit(drawn, info(matrix="bt709")))])
    assert np.abs(as_rgb(got, "bt709", full=False) * 255 - (200, 60, 30)).max() < 3


def test_ten_bits_become_eight() -> None:
    picture = VideoFrame(320, 180, "yuv420p10le")
    for plane, level in zip(picture.planes, (400, 512, 512), strict=True):
        rows_of(plane).view("<u2")[:] = level
    picture.colorspace, picture.color_range = BT601, LIMITED_RANGE
    assert abs(float(planes(fit(picture, info()))[0].mean()) - 100) <= 1
