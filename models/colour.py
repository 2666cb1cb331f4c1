"""Affine maps between Y'CbCr code values and R'G'B', and chroma resampling.

Matrix coefficients are those of ITU-T H.273: BT.601, BT.709, BT.2020 non-constant luminance, FCC and SMPTE 240M.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Matrix = Literal["bt601", "bt709", "bt2020", "fcc", "smpte240m"]
ChromaLocation = Literal["left", "center", "topleft"]
"""Position of a 4:2:0 chroma sample in its 2x2 luma pixels. The default of H.264 and HEVC is left, JPEG's center."""

Sampling = Literal["420", "444"]
"""Chroma subsampling: one chroma sample per 2x2 luma pixels, or one per pixel."""

Samples = NDArray[np.floating]
"""Samples of any float precision; results have the same."""

_KR_KB: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
}


LUMA: dict[Matrix, tuple[float, float, float]] = {m: (kr, 1 - kr - kb, kb) for m, (kr, kb) in _KR_KB.items()}
"""Coefficients of R', G' and B' in Y', by matrix."""


@dataclass(frozen=True, slots=True)
class Colour:
    """Interpretation of a picture's planes.

    ``sampling`` is that of the source. The networks' output is always 4:2:0, sited according to ``chroma_location``: at
    twice the size it has as many chroma samples as a 4:4:4 source.
    """

    matrix: Matrix = "bt709"
    full_range: bool = False
    chroma_location: ChromaLocation = "left"
    bits: int = 8
    sampling: Sampling = "420"

    @property
    def peak(self) -> int:
        """Largest code value of that bit depth."""
        return int(2**self.bits) - 1

    @property
    def unit(self) -> int:
        """Code values per 8-bit level."""
        return int(2 ** (self.bits - 8))

    @property
    def black(self) -> int:
        """Code value of luma for black."""
        return 0 if self.full_range else 16 * self.unit

    @property
    def middle(self) -> int:
        """Code value of neutral chroma."""
        return 128 * self.unit

    @property
    def dtype(self) -> str:
        """NumPy dtype of the planes."""
        return "uint8" if self.bits == 8 else "uint16"


def yuv_from_rgb(colour: Colour) -> tuple[Samples, Samples]:
    """Return ``(A, b)``, shapes (3, 3) and (3,), with ``yuv = A @ rgb + b``: from R'G'B' 0..255 to code values.

    With 8 bits these are 16..235 (luma) and 16..240 (chroma) in limited range, 0..255 in full range.
    """
    kr, kb = _KR_KB[colour.matrix]
    y = np.array(LUMA[colour.matrix])
    u = (np.array([0.0, 0.0, 1.0]) - y) / (2 * (1 - kb))
    v = (np.array([1.0, 0.0, 0.0]) - y) / (2 * (1 - kr))
    unit, whole = colour.unit, colour.peak / 255
    luma_scale, chroma_scale = (whole, whole) if colour.full_range else (219 / 255 * unit, 224 / 255 * unit)
    offset = np.array([colour.black, colour.middle, colour.middle], float)
    return np.stack([luma_scale * y, chroma_scale * u, chroma_scale * v]), offset


def rgb_from_yuv(colour: Colour) -> tuple[Samples, Samples]:
    """Return ``(A, b)`` with ``rgb = A @ yuv + b``, the inverse of `yuv_from_rgb`."""
    forward, offset = yuv_from_rgb(colour)
    inverse = np.linalg.inv(forward)
    return inverse, -inverse @ offset


def upsample_chroma(plane: Samples, location: ChromaLocation) -> Samples:
    """Enlarge the last two axes x2, bilinear, for samples sited at ``location``; borders are replicated."""
    rows = _upsample_axis(plane, -2, cosited=location == "topleft")
    return _upsample_axis(rows, -1, cosited=location != "center")


def downsample_chroma(plane: Samples, location: ChromaLocation) -> Samples:
    """Halve the last two axes, of even length: mean of two for samples between pixels, [1 2 1] / 4 for those on one."""
    rows = _downsample_axis(plane, -2, cosited=location == "topleft")
    return _downsample_axis(rows, -1, cosited=location != "center")


def doubling_taps(location: ChromaLocation) -> NDArray[np.float32]:
    """Return `upsample_chroma` as kernels (4, 3, 3): one for each sample of the 2x2 that a sample becomes."""
    on, between = [(0.0, 1.0, 0.0), (0.0, 0.5, 0.5)], [(0.25, 0.75, 0.0), (0.0, 0.75, 0.25)]
    rows, columns = on if location == "topleft" else between, between if location == "center" else on
    return np.array([np.outer(row, column) for row in rows for column in columns], np.float32)


def halving_taps(location: ChromaLocation) -> NDArray[np.float32]:
    """Return `downsample_chroma` as a kernel of two or three rows and columns, the last two on the 2x2 samples."""
    on, between = (0.25, 0.5, 0.25), (0.5, 0.5)
    row, column = on if location == "topleft" else between, between if location == "center" else on
    return np.outer(row, column).astype(np.float32)


def _upsample_axis(x: Samples, axis: int, *, cosited: bool) -> Samples:
    x = np.moveaxis(x, axis, -1)
    before = np.concatenate([x[..., :1], x[..., :-1]], axis=-1)
    after = np.concatenate([x[..., 1:], x[..., -1:]], axis=-1)
    even = x if cosited else 0.75 * x + 0.25 * before
    odd = 0.5 * (x + after) if cosited else 0.75 * x + 0.25 * after
    out = np.stack([even, odd], axis=-1).reshape(*x.shape[:-1], 2 * x.shape[-1])
    return np.moveaxis(out, -1, axis)


def _downsample_axis(x: Samples, axis: int, *, cosited: bool) -> Samples:
    x = np.moveaxis(x, axis, -1)
    even, odd = x[..., 0::2], x[..., 1::2]
    if cosited:
        before = np.concatenate([x[..., :1], odd[..., :-1]], axis=-1)
        out = 0.25 * before + 0.5 * even + 0.25 * odd
    else:
        out = 0.5 * (even + odd)
    return np.moveaxis(out, -1, axis)
