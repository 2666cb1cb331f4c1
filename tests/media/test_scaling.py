import numpy as np
import pytest
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from sr4k.media.planes import rows_of
from sr4k.media.scaling import Scaler
from sr4k.models.colour import ChromaLocation, Colour

SLOPE, FIRST = 2.0, 40
"""10-bit levels a pixel: fine enough to measure the chroma location."""


def ramp(pixel_format: str, sited: ChromaLocation, size: tuple[int, int] = (128, 64)) -> VideoFrame:
    """Return a picture whose levels rise from left to right, by the same amount a pixel in all planes."""
    picture = VideoFrame(*size, pixel_format)
    for plane in picture.planes:
        rows_of(plane, "uint16")[:, : plane.width] = np.rint(FIRST + SLOPE * positions(plane.width, size[0], sited))
    return picture


def positions(samples: int, width: int, sited: ChromaLocation) -> NDArray[np.float64]:
    """Return the positions of samples, in pixels of a picture of that width."""
    step = width / samples
    return np.arange(samples) * step + ((step - 1) / 2 if sited == "center" else 0)


@pytest.mark.parametrize("size", [(256, 128), (64, 32), (170, 86)])
@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv422p10le", "yuv444p10le"])
@pytest.mark.parametrize("sited", ["left", "center"])
def test_colour_stays_where_it_is(size: tuple[int, int], pixel_format: str, sited: ChromaLocation) -> None:
    colour = Colour(chroma_location=sited, bits=10)
    scaled = Scaler()(ramp(pixel_format, sited), size, pixel_format, colour, colour)
    for plane in scaled.planes:
        found = rows_of(plane, "uint16")[plane.height // 2, : plane.width]
        there = (positions(plane.width, size[0], sited) + 0.5) * 128 / size[0] - 0.5
        inner = slice(plane.width // 4, -plane.width // 4)
        moved = (found - (FIRST + SLOPE * there))[inner].mean() / SLOPE * size[0] / 128
        assert abs(moved) < 0.15, f"{moved:.2f} pixels of the result"


def test_colours_are_those_of_the_matrix_and_the_range() -> None:
    red = VideoFrame(32, 32, "yuv420p")
    for plane, value in zip(red.planes, (81, 90, 240), strict=True):  # BT.601, limited
        rows_of(plane)[:] = value
    scaler = Scaler()
    for _ in range(2):
        rgb = scaler(red, (48, 32), "rgb24", Colour("bt601"), Colour("bt601", full_range=True)).to_ndarray()
        assert np.abs(rgb.reshape(-1, 3).astype(int) - (255, 0, 0)).max() <= 2
    (y, u, v) = (
        int(rows_of(plane)[8, 8]) for plane in scaler(red, (32, 32), "yuv444p", Colour("bt601"), Colour("bt709")).planes
    )
    assert np.abs(np.array((y, u, v)) - (63, 102, 240)).max() <= 1


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize(
    "name",
    [
        "yuv420p12le",
        "yuv422p12le",
        "yuv444p12le",
        "yuv440p12le",
        "yuv420p14le",
        "yuv444p16le",
        "yuva444p12le",
        "gray12le",
        "gray16le",
    ],
)
def test_twelve_bits_and_more_are_rounded_to_ten(name: str, full: bool) -> None:
    deep = VideoFrame(4096, 4, name)
    bits = VideoFormat(name).components[0].bits
    values = (np.arange(4096) << (bits - 12)) + (1 << (bits - 12) >> 1)
    for plane in deep.planes:
        rows_of(plane, "uint16")[:, : plane.width] = values[: plane.width]
    kind = "gray" if name.startswith("gray") else f"yuv{name.removeprefix('yuva').removeprefix('yuv')[:3]}p"
    colour = Colour(full_range=full, bits=10)
    ten = Scaler()(deep, (4096, 4), f"{kind}10le", colour, colour)
    exact = np.minimum(values * (1023 / (2**bits - 1) if full else 2.0 ** (10 - bits)), 1023)
    for plane in ten.planes:
        found = rows_of(plane, "uint16")[1, : plane.width].astype(float)
        assert np.abs(found - exact[: plane.width]).max() <= 0.51
    if not full:
        assert np.abs((rows_of(ten.planes[0], "uint16")[0, :4092] - exact[:4092]).mean()) < 0.14


@pytest.mark.parametrize(
    ("packed", "planar"),
    [("p012le", "yuv420p12le"), ("p016le", "yuv420p16le"), ("y212le", "yuv422p12le"), ("xv36le", "yuv444p12le")],
)
def test_semi_planar_and_packed_formats_are_rounded_as_well(packed: str, planar: str) -> None:
    deep = VideoFrame(64, 8, planar)
    bits = VideoFormat(planar).components[0].bits
    for number, plane in enumerate(deep.planes):
        levels = np.random.default_rng(number).integers(0, 2**bits, (plane.height, plane.width))
        rows_of(plane, "uint16")[: plane.height, : plane.width] = levels
    colour, name = Colour(bits=10), f"{planar[:7]}10le"
    one, other = (Scaler()(each, (64, 8), name, colour, colour) for each in (deep, deep.reformat(format=packed)))
    for a, b in zip(one.planes, other.planes, strict=True):
        assert np.array_equal(*(rows_of(p, "uint16")[: p.height, : p.width] for p in (a, b)))


@pytest.mark.parametrize("name", ["yuv420p10le", "yuv420p12le", "yuv444p16le"])
def test_eight_bits_are_as_bright_as_more_were(name: str) -> None:
    bits = VideoFormat(name).components[0].bits
    deep = VideoFrame(4096, 16, name)
    values = np.linspace(16 << (bits - 8), 235 << (bits - 8), 4096).round()
    for plane in deep.planes:
        rows_of(plane, "uint16")[:, : plane.width] = values[: plane.width]
    eight = Scaler()(deep, (4096, 16), name[:7], Colour(), Colour())
    made = rows_of(eight.planes[0])[:16, :4096]
    assert abs((made - values * 2.0 ** (8 - bits)).mean()) < 0.05
