"""How compressed a source is, as one number for all codecs: the QP at which H.264 would lose as much.

0 stands for a source that is not compressed, 51 is the largest QP of H.264. Networks whose weights follow the quality
have one set of weights for each of the `GRADES`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

WORST = 51
"""The largest QP of H.264."""

GRADES = (0, 14, 20, 25, 30, 35, 40)
"""Qualities at which networks have weights of their own."""

INTRA_FINER = 3
"""Steps of QP by which encoders code I frames finer than P frames: libx264's ipratio of 1.4."""

REUSED_FINER = 6
"""Steps of QP by which x265 codes blocks of I frames that later frames refer to finer than the slices' headers say.

With both, `like_h264` is right by 1 in the median of 14 photographs in motion, of 50 frames, for x265 with and without
such blocks, and for kvazaar; standard deviations 3 to 5. Clips of 6 frames lose as much as H.264 at 3 more."""

_KEPT = 1.5
"""Steps of QP by which another grade has to be nearer than the present one."""

_LIKE_H264 = {
    "hevc": ([0.0, 16.9, 23.0, 29.1, 35.3, 41.3, 51.0], [1.0, 16.7, 22.4, 28.3, 33.7, 38.5, 46.0]),
    "av1": ([0.0, 11.7, 22.4, 34.1, 45.3, 59.0, 63.0], [14.0, 19.9, 23.9, 27.8, 31.2, 38.0, 40.0]),
    "vp9": ([0.0, 47.7, 101.6, 164.6, 225.7, 255.0], [5.0, 17.0, 23.8, 30.7, 37.3, 40.0]),
    "mpeg2": ([2.0, 3.6, 7.2, 14.4, 28.8, 62.0], [12.0, 16.8, 23.8, 29.4, 34.8, 40.0]),
    "mpeg4": ([1.0, 4.0, 8.0, 16.0, 31.0], [8.0, 19.1, 25.2, 30.7, 35.9]),
    "jpeg": (
        [10.0, 15.0, 30.0, 50.0, 65.0, 75.0, 85.0, 90.0, 95.0, 98.0, 100.0],
        [37.5, 36.3, 33.2, 30.5, 28.4, 26.4, 22.6, 19.5, 14.3, 8.9, 5.0],
    ),
}
"""By codec: the quantiser, and the QP of H.264 with the same loss on the same clips, medians of eleven clips, which
differ by up to 2 (AV1: 3). Quantisers are QP for HEVC, the encoder's 0..63 for AV1, ``base_q_idx`` for VP9, twice the
``quantiser_scale`` for MPEG-2 and MPEG-4 Part 2, as their decoders tell it, and libjpeg's quality for JPEG."""

_BY_SIZE = {
    "h264": (11.5, -8.6, 6.0),
    "av1": (11.0, -5.4, 4.7),
}
"""By codec: constant, and factors of the binary logarithms of the bits per pixel of a key frame and of its `activity`.
Fitted on the first frames of 34 clips, at five rate factors each; standard deviations 3.3 and 1.3."""


def like_h264(codec: str, quantiser: "ArrayLike") -> "NDArray[np.float64]":
    """Return the QP at which H.264 loses as much, 0..51, as this codec at quantisers in its own units."""
    import numpy as np  # here, because whoever plans a job needs the grades alone

    known = _LIKE_H264.get(codec)
    return np.clip(quantiser if known is None else np.interp(np.asarray(quantiser, np.float64), *known), 0, WORST)


def by_size(codec: str, bits: float, luma: "NDArray[Any]") -> float:
    """Estimate the quality of a key frame from its size, for decoders that don't export quantisers.

    Args:
        codec: name of the codec; an unknown one is taken to be as efficient as H.264.
        bits: size of its packet in bits per pixel.
        luma: its decoded luma (H, W), 8 bits.
    """
    import numpy as np

    constant, of_bits, of_activity = _BY_SIZE.get(codec, _BY_SIZE["h264"])
    found = constant + of_bits * np.log2(max(bits, 1e-4)) + of_activity * np.log2(max(activity(luma), 1e-2))
    return float(np.clip(found, 0, WORST))


def activity(luma: "NDArray[Any]") -> float:
    """Return the mean absolute difference of neighbouring samples, across plus down, of every eighth pair of rows."""
    import numpy as np

    rows, below = luma[:-1:8].astype(np.int16), luma[1::8].astype(np.int16)
    return float(np.abs(np.diff(rows, axis=1)).mean() + np.abs(below[: len(rows)] - rows[: len(below)]).mean())


def nearest(quality: float, among: Iterable[int] = GRADES) -> int:
    """Return the nearest grade to a quality."""
    return min(among, key=lambda each: abs(each - quality))


def grade(quality: float, current: int | None = None) -> int:
    """Return the grade of a quality, 0..51.

    Args:
        quality: the QP at which H.264 would lose as much.
        current: the present grade, which is kept while the quality is hardly nearer to another; ``None``: the nearest.
    """
    found = nearest(quality)
    if current is None or abs(current - quality) > abs(found - quality) + _KEPT:
        return found
    return current
