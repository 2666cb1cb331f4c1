"""Tiny pictures and sound for FLV, by real encoders."""

from fractions import Fraction
from typing import Any

import av
import numpy as np

ENCODERS = {
    "libx264": {"tune": "zerolatency"},
    "libx265": {"tune": "zerolatency", "x265-params": "log-level=none"},
    "libsvtav1": {"preset": "12", "svtav1-params": "rtc=1:rc=2:pred-struct=1"},
}


def add_picture_track(container: Any, encoder: str = "libx264") -> Any:
    stream = container.add_stream(encoder, rate=25, options=ENCODERS[encoder])
    stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 64, "yuv420p", 100_000
    stream.codec_context.time_base = Fraction(1, 1000)
    return stream


def add_sound_track(container: Any) -> Any:
    return container.add_stream("aac", rate=48000, layout="stereo")


def picture(milliseconds: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.full((96, 64), milliseconds % 256, np.uint8), format="yuv420p")
    frame.pts, frame.time_base = milliseconds, Fraction(1, 1000)
    return frame


def sound(milliseconds: int) -> av.AudioFrame:
    """A whole AAC frame."""
    frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48000, milliseconds * 48, Fraction(1, 48000)
    return frame
