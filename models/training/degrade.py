"""What video does to pictures before they reach an upscaler: blur, noise, chroma subsampling, H.264 or HEVC.

Each version of a picture is a short pan over it, encoded and decoded; one of the frames that are predicted from others
is kept. Codec, rate factor, blur and noise are drawn for each version.
"""

from collections.abc import Iterator

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from sr4k.models.architecture import SCALE
from sr4k.models.training.recipe import Degradation

_FRAMES = 5
_CODECS = {"libx264": 0, "libx265": 2}
"""Encoders, and what their rate factor has to be raised by for the like quality."""

_PRESETS = ("ultrafast", "superfast", "veryfast", "medium")
_SMALLEST = 64
"""Pixels of the least side that an encoder is given."""


def degraded(
    high: NDArray[np.uint8], low: NDArray[np.uint8], settings: Degradation, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Versions of a pair, uint8 RGB: a view of the high resolution, and the low resolution as video shows it."""
    for _ in range(settings.versions):
        height, width = low.shape[:2]
        if rng.random() < settings.clean or min(height, width) < _SMALLEST + 8 * _FRAMES:
            yield high, low
            continue
        path = np.cumsum(rng.integers(-4, 5, (_FRAMES, 2)), axis=0)
        path -= path.min(axis=0)
        size = np.array([height, width]) - path.max(axis=0)
        size -= size % 2
        soft = _blurred_and_noised(low, settings, rng)
        clip = [np.ascontiguousarray(soft[y : y + size[0], x : x + size[1]]) for y, x in path]
        kept = int(rng.integers(1, _FRAMES))
        (top, left), (rows, columns) = SCALE * path[kept], SCALE * size
        yield high[top : top + rows, left : left + columns], _compressed(clip, settings, rng)[kept]


def _blurred_and_noised(low: NDArray[np.uint8], settings: Degradation, rng: np.random.Generator) -> NDArray[np.uint8]:
    sigma, level = rng.uniform(*settings.blur), rng.uniform(*settings.noise)
    soft = low.astype(np.float32)
    if sigma > 0.1:
        soft = np.asarray(cv2.GaussianBlur(soft, (0, 0), sigma), np.float32)
    noise = rng.normal(0, 1, (*low.shape[:2], 1)) * level  # mostly of the luma, as a camera's is after its own filters
    return np.clip(np.rint(soft + noise), 0, 255).astype(np.uint8)


def _compressed(
    clip: list[NDArray[np.uint8]], settings: Degradation, rng: np.random.Generator
) -> list[NDArray[np.uint8]]:
    """The frames, RGB, after 4:2:0 and a codec."""
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
