"""Degrade pictures as video does before it reaches an upscaler: softness, noise, chroma subsampling, H.264 or HEVC.

Each version of a picture is a short pan over it, encoded and decoded, of which one inter-predicted frame is used.
Codec, rate factor, softness, blur and noise are drawn for each version.

Softness blurs the ground truth, as most video is blurred by its lens, focus, motion or an earlier codec: a network
trained on sharp ground truth alone invents detail there. Blur affects the low resolution alone.
"""

from collections.abc import Iterator

import av
import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.models.geometry import SCALE
from sr4k.models.resize import imresize
from sr4k.models.training.recipe import Degradation

_FRAMES = 5
_CODECS = {"libx264": 0, "libx265": 2}
"""Encoders, and the offset of their rate factor for similar quality."""

_PRESETS = ("ultrafast", "superfast", "veryfast", "medium")
_SMALLEST = 64
"""Smallest side of a frame to encode, in pixels."""

_NO_BLUR = 0.1
"""Standard deviation in pixels below which a Gaussian changes nothing."""


def degraded(
    high: NDArray[np.uint8], low: NDArray[np.uint8], settings: Degradation, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield versions of a pair, uint8 RGB (H, W, 3): a view of the high resolution and the degraded low resolution."""
    for _ in range(settings.versions):
        height, width = low.shape[:2]
        if rng.random() < settings.clean or min(height, width) < _SMALLEST + 8 * _FRAMES:
            yield high, low
            continue
        truth = _blurred(high, rng.uniform(*settings.softness)) if rng.random() < settings.soft else high
        small = low if truth is high else imresize(truth, height, width)
        path = np.cumsum(rng.integers(-4, 5, (_FRAMES, 2)), axis=0)
        path -= path.min(axis=0)
        size = np.array([height, width]) - path.max(axis=0)
        size -= size % 2
        shown = _noisy(_blurred(small, rng.uniform(*settings.blur)), rng.uniform(*settings.noise), rng)
        clip = [np.ascontiguousarray(shown[y : y + size[0], x : x + size[1]]) for y, x in path]
        kept = int(rng.integers(1, _FRAMES))
        (top, left), (rows, columns) = SCALE * path[kept], SCALE * size
        yield truth[top : top + rows, left : left + columns], _compressed(clip, settings, rng)[kept]


def _blurred(picture: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8) if sigma > _NO_BLUR else picture


def _noisy(picture: NDArray[np.uint8], level: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    noise = rng.normal(0, 1, (*picture.shape[:2], 1)) * level  # mostly of the luma, as a camera's is after its filters
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def _compressed(
    clip: list[NDArray[np.uint8]], settings: Degradation, rng: np.random.Generator
) -> list[NDArray[np.uint8]]:
    """Encode and decode the frames in 4:2:0; return them as RGB."""
    codec = str(rng.choice(list(_CODECS)))
    crf = int(rng.integers(settings.crf[0], settings.crf[1] + 1)) + _CODECS[codec]
    options = {"crf": str(crf), "preset": str(rng.choice(_PRESETS)), "x265-params": "log-level=none"}
    if codec == "libx264":
        del options["x265-params"]
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.height, encoder.width = clip[0].shape[:2]
    encoder.pix_fmt, encoder.framerate, encoder.options = "yuv420p", 25, options  # type: ignore[assignment]
    encoder.thread_count = 1
    packets = []
    for number, picture in enumerate(clip):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("h264" if codec == "libx264" else "hevc", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in frames]
