"""What the sinks that encode a video give to the encoder."""

from pathlib import Path

import numpy as np
import pytest
from infos import video_info

from sr4k.media.options import EncoderKind, WriteSettings
from sr4k.media.planes import PixelFormat, rows_of
from sr4k.pipeline import Frame, FrameInfo
from sr4k.stages.encode import Encode


@pytest.mark.parametrize(
    ("encoder", "pixel_format", "is_copied"),
    [("qsv", "nv12", True), ("qsv", "yuv420p", False), ("software", "nv12", False), ("amf", "nv12", False)],
)
def test_an_encoder_that_reads_pictures_later_gets_them_in_memory_of_their_own(
    encoder: EncoderKind, pixel_format: PixelFormat, is_copied: bool
) -> None:
    here = Path("here")
    sink = Encode(WriteSettings(codec="h264", encoder=encoder, source=here, path=here, parts=here))
    sink._info = video_info(pixel_format=pixel_format)
    block = np.full((72, 64), 7, np.uint8)
    picture = sink._picture(Frame((block,), FrameInfo(pts=0, time_base=sink._info.time_base)))
    block[:] = 9  # the slot is filled with the next frame
    assert (bytes(picture.planes[0])[0] == 7) is is_copied


@pytest.mark.parametrize(("encoder", "given"), [("software", "yuv420p10le"), ("nvenc", "p010le"), ("qsv", "p010le")])
def test_an_encoder_gets_ten_bits_in_the_format_that_it_takes(encoder: EncoderKind, given: str) -> None:
    here = Path("here")
    sink = Encode(WriteSettings(codec="hevc", encoder=encoder, source=here, path=here, parts=here))
    sink._info = video_info(pixel_format="p010le")
    values = np.random.default_rng(0).integers(0, 1024, (51, 54), np.uint16)
    picture = sink._picture(Frame((values << 6,), FrameInfo(pts=0, time_base=sink._info.time_base)))
    assert picture.format.name == given
    if given == "yuv420p10le":
        luma, u, v = (rows_of(plane, "uint16") for plane in picture.planes)
        assert np.array_equal(luma[:34, :54], values[:34])
        assert np.array_equal(u[:17, :27], values[34:, ::2]) and np.array_equal(v[:17, :27], values[34:, 1::2])
