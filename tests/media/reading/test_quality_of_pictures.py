"""Pictures come with the quality of their source, wherever the decoder releases them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sr4k.media.options import ReadSettings
from sr4k.media.reading.reader import VideoReader


def coarse(path: Path, frames: int, *, qp: int = 40) -> Path:
    """A video of noise, strongly compressed."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 64), np.uint8)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"qp": str(qp), "preset": "ultrafast"})
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


def test_the_description_of_a_video_has_the_quality_of_its_first_picture(tmp_path: Path) -> None:
    with VideoReader(ReadSettings(path=coarse(tmp_path / "a.mkv", 3))) as reader:
        assert reader.info.quality == next(reader.pictures())[1].quality == 40


def test_when_resumed_it_has_that_of_the_picture_where_it_goes_on(tmp_path: Path) -> None:
    parts = [coarse(tmp_path / f"{qp}.ts", 50, qp=qp) for qp in (14, 40)]
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    with VideoReader(ReadSettings(path=both)) as reader:
        infos = [info for _, info in reader.pictures()]
        assert reader.info.quality == infos[0].quality < 40
    with VideoReader(ReadSettings(path=both)) as reader:
        reader.resume_after(infos[60].pts)
        assert reader.info.quality == next(reader.pictures())[1].quality == 40
