from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from infos import video_info

from sr4k.media.options import Box
from sr4k.media.planes import PixelFormat, split_420
from sr4k.pipeline import Format, Frame, FrameInfo, PlaneSpec
from sr4k.pipeline.chain import HeapBuffers
from sr4k.stages.convert import Convert
from sr4k.stages.settings import ConvertSettings

INFO = FrameInfo(pts=0, time_base=Fraction(1, 25), duration=1, born=0.0)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "nv12"])
def test_a_block_is_scaled_with_its_colour_where_it_was(pixel_format: PixelFormat) -> None:
    about = video_info(width=128, height=64, sample_aspect_ratio=Fraction(4, 3), pixel_format=pixel_format)
    block = np.empty((96, 128), np.uint8)
    y, u, v = block[:64], *split_420(np.empty((96, 128), np.uint8))[1:]
    y[:], u[:], v[:] = 100, 20 + 3 * np.arange(64), 200
    if pixel_format == "nv12":
        block[64:].reshape(32, 64, 2)[:] = np.stack([u, v], 2)
    else:
        for plane, values in zip(split_420(block), (y, u, v), strict=True):
            plane[:] = values
    convert = Convert(ConvertSettings(size=Box(192, 96, "stretch")))
    form = convert.open(Format((PlaneSpec(block.shape),), about=about))
    assert (form.about.width, form.about.height, form.about.sample_aspect_ratio) == (192, 96, Fraction(4, 3))
    (out,) = convert.process(Frame((block,), INFO), HeapBuffers(form))
    made = out.planes[0]
    planes = (
        split_420(made) if pixel_format == "yuv420p" else (made[:96], *np.moveaxis(made[96:].reshape(48, 96, 2), 2, 0))
    )
    assert np.abs(planes[0].astype(int) - 100).max() <= 1
    assert np.abs(planes[2].astype(int) - 200).max() <= 1
    # chroma sample k of the result lies at its pixel 2k, which is (2k + 0.5) * 2 / 3 - 0.5 of the source
    there = ((2 * np.arange(96) + 0.5) * 2 / 3 - 0.5) / 2
    assert abs((planes[1][24] - (20 + 3 * there))[10:-10].mean()) < 0.3


def test_that_a_network_adds_nothing_to_what_gets_smaller_is_said(caplog: pytest.LogCaptureFixture) -> None:
    about = replace(video_info(height=32), source_size=(32, 16))
    form = Format((PlaneSpec((48, 64)),), about=about)
    for box, said in ((Box(32, 16), False), (Box(40, 20), False), (Box(28, 14), True)):
        caplog.clear()
        Convert(ConvertSettings(size=box)).open(form)
        assert ("a plain scaler is better" in caplog.text) == said


def test_what_has_the_size_passes_untouched() -> None:
    about = video_info(height=32)
    form = Format((PlaneSpec((48, 64)),), about=about)
    convert = Convert(ConvertSettings(size=Box(64, 32)))
    assert convert.open(form) is form
    assert convert.in_place


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_gray_stays_gray_and_flat_colours_what_they_were_when_rgb_is_scaled(dtype: str) -> None:
    peak = np.iinfo(dtype).max
    rgb = np.random.default_rng(0).integers(0, peak, (64, 96, 1), dtype).repeat(3, 2)
    rgb[:, 48:] = [peak, peak // 5, 0]
    convert = Convert(ConvertSettings(size=Box(72, 48)))
    form = convert.open(Format((PlaneSpec(rgb.shape, dtype),), about=video_info(width=96, height=64)))
    (out,) = convert.process(Frame((rgb,), INFO), HeapBuffers(form))
    made = out.planes[0]
    assert made.shape == (48, 72, 3)
    assert np.ptp(made[:, :32], axis=2).max() == 0
    assert np.abs(made[:, 42:].astype(int) - [peak, peak // 5, 0]).max() <= peak // 1_000  # it has 15 bits
