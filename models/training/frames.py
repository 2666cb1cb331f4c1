"""Frames of training clips, YUV 4:2:0 in limited range: made from views, resized, with noise or another luma."""

from collections.abc import Iterator

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.models.geometry import SCALE


def frames_of(views: Iterator[NDArray[np.uint8]]) -> list[av.VideoFrame]:
    """Convert views, YUV uint8 (H, W, 3) of limited range, to 4:2:0 frames."""
    return [_frame(view) for view in views]


def shrunk(frame: av.VideoFrame, how: Interpolation) -> av.VideoFrame:
    """Halve the size of a frame by swscale."""
    return frame.reformat(frame.width // SCALE, frame.height // SCALE, interpolation=how)


def luma_of(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the luma plane of a frame, uint8 (H, W)."""
    return np.asarray(frame.to_ndarray(format="yuv420p")[: frame.height], np.uint8)


def with_luma(frame: av.VideoFrame, plane: NDArray[np.uint8]) -> av.VideoFrame:
    """Return the frame with another luma plane, uint8 (H, W); it has no pts."""
    planes = frame.to_ndarray(format="yuv420p")
    planes[: frame.height] = plane
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def with_noise(frames: list[av.VideoFrame], most: float, size: float, rng: np.random.Generator) -> list[av.VideoFrame]:
    """Add noise to the luma of a third of the clips: white, or grain blurred by a Gaussian of ``size``."""
    level = most * float(rng.uniform(-2, 1))
    if level <= 0:
        return frames
    return [_noisy(frame, level, size, rng) for frame in frames]


def _noisy(frame: av.VideoFrame, level: float, size: float, rng: np.random.Generator) -> av.VideoFrame:
    """Add noise of standard deviation ``level`` to luma, as a camera's noise after its filters is mostly there."""
    plane = luma_of(frame)
    noise = rng.normal(0, level, plane.shape)
    if size:
        grains = cv2.GaussianBlur(noise, (0, 0), size)
        noise = grains * (level / grains.std())
    return with_luma(frame, np.clip(np.rint(plane + noise), 0, 255).astype(np.uint8))


def _frame(view: NDArray[np.uint8]) -> av.VideoFrame:
    height, width = view.shape[:2]
    small = cv2.resize(view, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    planes = np.concatenate([view[..., 0].ravel(), small[..., 1].ravel(), small[..., 2].ravel()])
    return av.VideoFrame.from_ndarray(planes.reshape(height * 3 // 2, width), format="yuv420p")
