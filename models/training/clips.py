"""Make training patches from pictures as real video shows them: in motion, downscaled, and encoded by real encoders.

Each picture yields clips, each clip a few frames, each frame a few patches: luma at both sizes, and a record of the
frame's compression. Camera motion, scaler, encoder and its settings are drawn for each clip.

Some clips have grain or sensor noise, which the ground truth has as well, and some have noise that it doesn't have.
Not all ground truth is sharp: video is softened by its lens, depth of field, motion and earlier codecs, and a network
trained on sharp ground truth alone invents detail there. So some pictures are blurred, as a whole or in places, or are
encoded at their full size first.
"""

from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.models.geometry import SCALE
from sr4k.models.quality.metrics import chroma, luma
from sr4k.models.training.codec import CODECS, Decoded, Encoding, steady_qp, through_codec
from sr4k.models.training.frames import frames_of, luma_of, shrunk, with_luma, with_noise
from sr4k.models.training.motion import moving
from sr4k.models.training.old_sources import as_old_source
from sr4k.models.training.recipe import Clips, OldClips

FACTS = np.dtype(
    [(name, "u1") for name in ("codec", "factor", "kind")]
    + [(name, "f4") for name in ("qp", "clip_qp", "bits", "error", "soft")]
)
"""Record of a patch's frame: index in `CODECS`, rate factor, kind, QP, `steady_qp` of its clip, bits per pixel,
mean square error of luma due to the codec, and standard deviation of the ground truth's blur."""

_FRAMES = 10
_FIRST_KEPT, _AFTER_KEPT = 1, 8
"""Range of frames that patches are cut from: the first is an I frame, and encoders treat the last ones differently."""

_SHARES = {"h264": 0.5, "hevc": 0.2, "av1": 0.18, "jpeg": 0.12}
_PRESETS = {
    "h264": ("veryfast", "veryfast", "veryfast", "superfast", "ultrafast", "medium"),
    "hevc": ("ultrafast", "superfast", "veryfast"),
    "av1": ("8", "10", "12"),
    "jpeg": ("",),
}
_LIVE = 0.15
_SCALERS = (Interpolation.BICUBIC, Interpolation.BICUBIC, Interpolation.AREA, Interpolation.LANCZOS)
_FINEST_AV1 = 10
"""Rate factor below which dav1d can't always decode the streams of SVT-AV1."""

_FIRST = 0.1
"""Share of the clips that use the first frame alone, like stills and the starts of scenes."""

_PREVIOUS = 0.1
"""Share of the clips whose ground truth was encoded before."""

SMALLEST = 256
"""Smallest side of a picture that clips are made from, in pixels."""

_GRAIN_SIZE = (0.3, 1.0)
"""Range of the standard deviation of a grain, high-resolution pixels."""

_LARGEST, _STEP = 576, 16
"""Largest side of a view in pixels, and the number that its sides are multiples of."""

_MARGIN = 0.1
"""Share of a picture's side that is left as room to move in."""


@dataclass(frozen=True, slots=True)
class Patches:
    """Patches of luma, uint8, limited range, ``low`` (n, p, p) and ``high`` (n, 2 p, 2 p), with their `FACTS` (n,)."""

    low: NDArray[np.uint8]
    high: NDArray[np.uint8]
    facts: NDArray[np.void]


def patches_of(rgb: NDArray[np.uint8], settings: Clips, seed: tuple[int, ...]) -> Patches:
    """Make one clip of a picture, uint8 RGB (H, W, 3) with sides of at least `SMALLEST`, and return its patches.

    The same seed gives the same patches, except for the slight nondeterminism of libx264.
    """
    rng = np.random.default_rng(seed)
    frames, truth, soft = _clip(rgb, settings, rng)
    if isinstance(settings, OldClips):
        shown = with_noise(frames, settings.noise, 0.0, rng)
        encoding, decoded = as_old_source(shown, settings, rng)
    else:
        encoding = drawn_encoding(settings, rng)
        shown = with_noise(frames, settings.noise, 0.0, rng)
        decoded = through_codec(shown[: 1 if encoding.codec == "jpeg" else None], encoding)
    before = [luma_of(frame) for frame in shown]
    last = 1 if len(decoded) == 1 or rng.random() < _FIRST else _AFTER_KEPT
    chosen = range(last) if last == 1 else rng.choice(np.arange(_FIRST_KEPT, last), settings.frames, replace=False)
    lows, highs, facts = [], [], []
    for k in chosen:
        fact = _fact(decoded[k], encoding, steady_qp(decoded), before[k], soft)
        for top, left in _places(before[k], settings, rng):
            lows.append(_cut(decoded[k].luma, top, left, settings.patch))
            highs.append(_cut(truth[k], SCALE * top, SCALE * left, SCALE * settings.patch))
            facts.append(fact)
    return Patches(np.stack(lows), np.stack(highs), np.array(facts, FACTS))


def drawn_encoding(settings: Clips, rng: np.random.Generator) -> Encoding:
    """Draw a codec and its settings; ``settings.crf`` is converted to a rate factor of similar quality."""
    codec = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    crf = int(rng.integers(settings.crf[0], settings.crf[1] + 1))
    factor = {
        "h264": crf,
        "hevc": min(crf + 2, 51),
        "av1": min(_FINEST_AV1 + round(1.4 * crf), 63),
        "jpeg": max(100 - 2 * crf, 10),
    }[codec]
    preset = str(rng.choice(_PRESETS[codec]))
    return Encoding(codec, factor, preset, live=bool(rng.random() < _LIVE))


def as_yuv(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert uint8 RGB (H, W, 3) to YUV of BT.601, limited range, uint8 (H, W, 3)."""
    return np.clip(np.rint(np.dstack([luma(rgb), chroma(rgb)])), 0, 255).astype(np.uint8)


def view_size(rgb: NDArray[np.uint8]) -> tuple[int, int]:
    """Return height and width of the views of a picture, a little smaller than the picture."""
    height, width = (int(min(side * (1 - _MARGIN), _LARGEST)) // _STEP * _STEP for side in rgb.shape[:2])
    return height, width


def _clip(
    rgb: NDArray[np.uint8], settings: Clips, rng: np.random.Generator
) -> tuple[list[av.VideoFrame], list[NDArray[np.uint8]], float]:
    """Return small frames, the luma of the large ones they were made from, and the standard deviation of their blur."""
    yuv = as_yuv(_resized(rgb, rng.uniform(*settings.size)))
    soft = 0.0
    if rng.random() < settings.soft:
        soft = float(rng.uniform(*settings.softness))
        yuv = _softened(yuv, soft, rng)
    still = frames_of(moving(yuv, view_size(yuv), _FRAMES, rng))
    large = with_noise(still, settings.grain, rng.uniform(*_GRAIN_SIZE), rng)
    truth = [luma_of(frame) for frame in large]
    if rng.random() < _PREVIOUS:
        truth = [d.luma for d in through_codec(large, Encoding("h264", int(rng.integers(15, 29)), "veryfast"))]
        large = [with_luma(frame, plane) for frame, plane in zip(large, truth, strict=True)]
    how = _SCALERS[rng.integers(len(_SCALERS))]
    return [shrunk(frame, how) for frame in large], truth, soft


def _resized(rgb: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Downscale, but not below `SMALLEST`."""
    factor = max(factor, SMALLEST / min(rgb.shape[:2]))
    if factor >= 1:
        return rgb
    height, width = (round(factor * side) for side in rgb.shape[:2])
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _softened(yuv: NDArray[np.uint8], sigma: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blur by a Gaussian, every other time only in places, like objects out of focus."""
    blurred = np.asarray(cv2.GaussianBlur(yuv, (0, 0), sigma), np.uint8)
    if rng.random() < 0.5:
        return blurred
    coarse = rng.normal(0, 1, (4, 4)).astype(np.float32)
    share = np.clip(cv2.resize(coarse, yuv.shape[1::-1], interpolation=cv2.INTER_CUBIC) * 2 + 0.5, 0, 1)[..., None]
    return np.asarray(np.rint(share * blurred + (1 - share) * yuv), np.uint8)


def _fact(
    decoded: Decoded, encoding: Encoding, clip_qp: float, before: NDArray[np.uint8], soft: float
) -> tuple[float, ...]:
    error = float(np.mean((decoded.luma.astype(np.float32) - before) ** 2))
    bits = 8 * decoded.size / before.size
    return CODECS.index(encoding.codec), encoding.factor, decoded.kind, decoded.qp, clip_qp, bits, error, soft


def _places(plane: NDArray[np.uint8], settings: Clips, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw top and left of patches (n, 2), more often where there is more detail."""
    most = np.array(plane.shape) - settings.patch
    drawn = rng.integers(0, most + 1, (4 * settings.patches, 2))
    laplacian = np.square(cv2.Laplacian(plane, cv2.CV_32F))
    detail = [_cut(laplacian, top, left, settings.patch).mean() for top, left in drawn]
    weight = np.sqrt(np.array(detail)) + 1
    return drawn[rng.choice(len(drawn), settings.patches, replace=False, p=weight / weight.sum())]


def _cut(plane: NDArray[np.generic], top: int, left: int, side: int) -> NDArray[np.generic]:
    return plane[top : top + side, left : left + side]
