"""Write a sample clip: moving patterns with fine detail, a frame counter, and a gliding tone."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.errors import OutputError
from sr4k.media.paths import for_libav
from sr4k.media.sample_pattern import RATE, SAMPLE_RATE, draw, tone
from sr4k.media.video import BT601, BT709, HD_HEIGHT, LIMITED_RANGE, ColourTags
from sr4k.media.writing.encoder import tag
from sr4k.media.writing.target_file import place, unfinished

_BLOCK = 1024  # samples of an AAC frame


def write_sample(path: Path, *, seconds: float, size: tuple[int, int]) -> None:
    """Write a clip of ``seconds`` at ``RATE`` frames per second in H.264 and AAC; ``size``: (width, height) in pixels.

    The clip is whole, or what it was before.

    Raises:
        OutputError: the file can't be written.
    """
    try:
        with unfinished(path) as partial:
            with av.open(for_libav(partial), "w") as target:
                _write(target, max(1, round(seconds * RATE)), size)
            place(partial, path, overwrite=True)
    except (av.error.FFmpegError, OSError, ValueError) as err:
        reason = getattr(err, "strerror", None) or err
        raise OutputError(
            f"{path} can't be written ({reason}): use a name ending in .mp4 or .mkv in a folder of yours."
        ) from err


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


def _block(block: int) -> AudioFrame:
    wave = tone(block * _BLOCK, _BLOCK)
    frame = AudioFrame.from_ndarray(np.tile(wave, (2, 1)), format="fltp", layout="stereo")
    frame.sample_rate = SAMPLE_RATE
    frame.pts, frame.time_base = block * _BLOCK, Fraction(1, SAMPLE_RATE)
    return frame
