"""Makes tiny clips in memory, to try codecs with."""

import io

import av
from av.video.stream import VideoStream

from sr4k.media.writing.hardware import RATE, SIDE, trial_picture

FRAMES = 2

av.logging.set_level(av.logging.ERROR)  # otherwise PyAV's errors carry no log message of FFmpeg

WHEEL = "pip install --force-reinstall --only-binary av av"
"""Installs PyAV's own wheel, whose FFmpeg has every codec that the doctor tries."""


def encoded(encoder: str) -> bytes:
    """Return a Matroska file with `FRAMES` grey frames.

    Raises:
        av.FFmpegError: the encoder fails.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as target:
        stream = target.add_stream(encoder, rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for packets in (*(stream.encode(trial_picture(k)) for k in range(FRAMES)), stream.encode(None)):
            target.mux(packets)
    return file.getvalue()


def why(error: Exception) -> str:
    """Describe an error in one line: by FFmpeg's last log line if there is one, which says more than its number."""
    logged = getattr(error, "log", None)
    return " ".join((logged[2] if logged else getattr(error, "strerror", None) or str(error)).split())
