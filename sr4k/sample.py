"""A sample clip: moving patterns with fine detail, a frame counter, and a tone that glides."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sr4k.errors import OutputError
from sr4k.models.opencv import cv2
from sr4k.stages.encoder import tag
from sr4k.stages.paths import for_libav
from sr4k.stages.video import BT601, BT709, HD_HEIGHT, LIMITED_RANGE, ColourTags

RATE = 25
SAMPLE_RATE = 48_000
_BLOCK = 1024  # samples of an AAC frame


def write_sample(path: Path, *, seconds: float, size: tuple[int, int]) -> None:
    """Write a clip of ``seconds`` at ``RATE`` frames a second, H.264 and AAC, ``size`` (width, height).

    Raises:
        OutputError: the file can't be written.
    """
    try:
        with av.open(for_libav(path), "w") as target:
            _write(target, max(1, round(seconds * RATE)), size)
    except (av.error.FFmpegError, OSError, ValueError) as err:
        raise OutputError(f"{path} can't be written: use a name ending in .mp4 or .mkv in a folder of yours.") from err


def _write(target: OutputContainer, frames: int, size: tuple[int, int]) -> None:
    video = target.add_stream("libx264", rate=RATE, options={"crf": "20", "preset": "veryfast"})
    assert isinstance(video, VideoStream)
    video.width, video.height = size
    video.pix_fmt = "yuv420p"
    audio = target.add_stream("aac", rate=SAMPLE_RATE)
    assert isinstance(audio, AudioStream)
    audio.layout = "stereo"
    blocks = -(-frames * SAMPLE_RATE // (RATE * _BLOCK))
    written = 0
    matrix = BT709 if size[1] >= HD_HEIGHT else BT601
    tags = ColourTags(matrix, LIMITED_RANGE, BT709, BT709)
    tag(video.codec_context, tags)
    for number in range(frames):
        drawn = VideoFrame.from_ndarray(draw(number, size), format="bgr24")
        picture = drawn.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=LIMITED_RANGE)
        tag(picture, tags)
        target.mux(video.encode(picture))
        while written < blocks and written * _BLOCK * RATE <= number * SAMPLE_RATE:
            target.mux(audio.encode(_block(written)))
            written += 1
    for stream in (video, audio):
        target.mux(stream.encode(None))


def draw(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Picture ``number`` of the clip, BGR (height, width, 3)."""
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    t = number / RATE
    rings = np.hypot(x - width * (0.5 + 0.2 * np.cos(t)), y - height * (0.5 + 0.2 * np.sin(t)))
    picture = np.stack(
        [
            128 + 90 * np.sin(x / 40 + t),
            128 + 90 * np.sin(y / 30 - 2 * t),
            128 + 100 * np.sin(rings**2 / (3 * width)),
        ],
        axis=2,
    ).astype(np.uint8)
    centre = (int(width * (0.5 + 0.35 * np.sin(1.3 * t))), int(height * (0.5 + 0.3 * np.cos(1.7 * t))))
    cv2.circle(picture, centre, height // 8, (240, 240, 240), -1, cv2.LINE_AA)
    cv2.circle(picture, centre, height // 8, (20, 20, 20), 2, cv2.LINE_AA)
    scale = height / 360
    cv2.putText(
        picture,
        f"sr4k {number:05d}",
        (int(12 * scale), int(34 * scale)),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        (255, 255, 255),
        max(1, round(2 * scale)),
        cv2.LINE_AA,
    )
    return picture


def tone(first: int, count: int) -> NDArray[np.float32]:
    """Samples, -1 to 1, of a tone whose pitch glides up and down between 220 and 660 Hz."""
    t = (first + np.arange(count)) / SAMPLE_RATE
    wave: NDArray[np.float64] = 0.2 * np.sin(2 * np.pi * (440 * t - 220 / np.pi * np.cos(np.pi * t)))
    return wave.astype(np.float32)


def _block(block: int) -> AudioFrame:
    wave = tone(block * _BLOCK, _BLOCK)
    frame = AudioFrame.from_ndarray(np.tile(wave, (2, 1)), format="fltp", layout="stereo")
    frame.sample_rate = SAMPLE_RATE
    frame.pts, frame.time_base = block * _BLOCK, Fraction(1, SAMPLE_RATE)
    return frame
