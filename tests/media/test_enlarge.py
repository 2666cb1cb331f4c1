import cv2
import numpy as np
import pytest

from sr4k.media.enlarge import enlarge_chroma, enlarge_luma, widen_chroma
from sr4k.models.colour import ChromaLocation


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return (128 + 60 * np.sin(x / 9) + 50 * np.cos(y / 7)).astype(np.uint8)


@pytest.mark.parametrize("size", [(48, 64), (5, 7)])
def test_luma_comes_out_at_twice_its_size_where_it_was(size: tuple[int, int]) -> None:
    plane = smooth(*size)
    out = np.empty((2 * size[0], 2 * size[1]), np.uint8)
    enlarge_luma(plane, out)
    back = cv2.resize(out, size[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(back.astype(int) - plane).max() <= 4


@pytest.mark.parametrize(
    ("location", "x", "y"), [("left", -0.125, -0.25), ("center", -0.25, -0.25), ("topleft", -0.125, -0.125)]
)
@pytest.mark.parametrize("odd", [0, 1])
def test_chroma_keeps_its_place(location: ChromaLocation, x: float, y: float, odd: int) -> None:
    rows, columns = np.mgrid[:20, :30]
    ramp = (40 + 3 * rows + 4 * columns).astype(np.uint8)
    out = np.empty((40 - odd, 60 - odd), np.uint8)
    enlarge_chroma(ramp, out, location)
    down, right = np.mgrid[: 40 - odd, : 60 - odd]
    expected = 40 + 3 * (down / 2 + y) + 4 * (right / 2 + x)
    inner = slice(6, -6)
    assert np.abs(out - expected)[inner, inner].max() <= 0.51


@pytest.mark.parametrize(("location", "x"), [("left", 0.0), ("center", -0.25), ("topleft", 0.0)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("odd", [0, 1])
def test_chroma_of_every_other_pixel_is_put_between_them(
    location: ChromaLocation, x: float, kind: type, odd: int
) -> None:
    rows, columns = np.mgrid[:20, :30]
    ramp = (40 + 3 * rows + 4 * columns).astype(kind)
    out = np.empty((20, 60 - odd), kind)
    widen_chroma(ramp, out, location)
    down, right = np.mgrid[:20, : 60 - odd]
    expected = 40 + 3 * down + 4 * (right / 2 + x)
    assert np.abs(out - expected)[:, 6:-6].max() <= 0.51
