"""Pictures come with the quality of their source, wherever the decoder releases them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sr4k.media.options import ReadSettings
from sr4k.media.reading.reader import VideoReader


def coarse(path: Path, frames: int) -> Path:
    """A video of noise, strongly compressed."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 64), np.uint8)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"qp": "40", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, number, axis=1), "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("frames", [1, 2, 12])
def test_a_video_that_the_decoder_holds_to_its_end_has_a_quality(frames: int, tmp_path: Path) -> None:
    with VideoReader(ReadSettings(path=coarse(tmp_path / "a.mkv", frames))) as reader:
        found = [info.quality for _, info in reader.pictures()]
    assert found == [40] * frames
