"""The second pass on frames made by hand, as it runs between the first pass and the encoder."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from infos import video_info
from skimage import data as pictures

from sr4k.errors import OptionError
from sr4k.media.options import Box, ResultSize, Scale
from sr4k.media.planes import PixelFormat, split_420
from sr4k.media.video import info_of
from sr4k.models.colour import Colour
from sr4k.pipeline import Format, Frame, FrameInfo, PlaneSpec
from sr4k.pipeline.chain import HeapBuffers
from sr4k.pipeline.frame import Plane
from sr4k.stages.second_pass import SecondPass
from sr4k.stages.settings import InferSettings, SecondPassSettings

INFO = FrameInfo(pts=3, time_base=Fraction(1, 25))
NEAREST = InferSettings(engine="nearest", model="luma")
LUMA = InferSettings(engine="openvino", model="luma", threads=2)
PIXEL_FORMATS: tuple[PixelFormat, ...] = ("yuv420p", "nv12", "yuv420p10le")


def made(width: int, height: int, pixel_format: PixelFormat = "yuv420p", location: str = "left") -> Format:
    """Return the format of what a first pass makes of a source of this size."""
    colour = Colour(bits=10 if pixel_format == "yuv420p10le" else 8, chroma_location=location)  # type: ignore[arg-type]
    about = video_info(
        width=2 * width, height=2 * height, colour=colour, pixel_format=pixel_format, source_size=(width, height)
    )
    return Format((PlaneSpec((3 * height, 2 * width), str(colour.dtype)),), about=about)


def block_of(form: Format, y: Plane | int, u: Plane | int, v: Plane | int) -> Plane:
    block = np.empty(form.planes[0].shape, form.planes[0].dtype)
    height = block.shape[0] * 2 // 3
    if info_of(form).pixel_format == "nv12":
        block[:height] = y
        both = block[height:].reshape(height // 2, -1, 2)
        both[..., 0], both[..., 1] = u, v
    else:
        for plane, values in zip(split_420(block), (y, u, v), strict=True):
            plane[:] = values
    return block


def run(
    form: Format, blocks: list[Plane], size: ResultSize, settings: InferSettings = NEAREST, info: FrameInfo = INFO
) -> tuple[list[Plane], SecondPass, Format]:
    stage = SecondPass(SecondPassSettings(infer=settings, size=size))
    out = stage.open(form)
    buffers, found = HeapBuffers(out), []
    for number, block in enumerate(blocks):
        found += list(stage.process(Frame((block.copy(),), replace(info, pts=number)), buffers))
    found += list(stage.drain(buffers))
    assert [frame.info.pts for frame in found] == list(range(len(blocks)))
    planes = [frame.planes[0] for frame in found]
    stage.close()
    return planes, stage, out


@pytest.mark.parametrize("size", [None, Scale(Fraction(3, 2)), Scale(Fraction(11, 5)), Box(140, 104, "stretch")])
def test_where_once_is_enough_nothing_is_touched(size: ResultSize) -> None:
    form = made(64, 48)
    block = block_of(form, 1, 2, 3)
    stage = SecondPass(SecondPassSettings(infer=NEAREST, size=size))
    assert stage.open(form) is form
    assert stage.in_place
    assert stage.idle
    frame = Frame((block,), INFO)
    assert list(stage.process(frame, HeapBuffers(form))) == [frame]
    assert list(stage.drain(HeapBuffers(form))) == []
    assert stage.report() is None


@pytest.mark.parametrize("pixel_format", PIXEL_FORMATS)
@pytest.mark.parametrize("source", [(64, 48), (33, 17)])
def test_a_flat_colour_stays_what_it_is_in_every_format(source: tuple[int, int], pixel_format: PixelFormat) -> None:
    form = made(*source, pixel_format)
    unit = info_of(form).colour.unit
    (out,), stage, target = run(form, [block_of(form, 100 * unit, 90 * unit, 150 * unit)], Box(960, 540))
    info = info_of(target)
    assert info.source_size == source
    assert info.pixel_format == ("yuv420p10le" if unit > 1 else "yuv420p")
    assert abs(info.width - 3 * source[0]) <= 2
    assert abs(info.height - 3 * source[1]) <= 2
    assert [np.unique(plane).tolist() for plane in split_420(out)] == [[100 * unit], [90 * unit], [150 * unit]]
    assert not stage.idle


@pytest.mark.parametrize(("location", "beside", "below"), [("left", 1, 2), ("center", 2, 2), ("topleft", 1, 1)])
def test_luma_and_chroma_stay_where_they_are(location: str, beside: int, below: int) -> None:
    form = made(64, 48, "yuv420p10le", location)
    rows, columns = np.mgrid[:48, :64]
    ramps = (64 + 5.3 * np.mgrid[:96, :128][1], 64 + STEP * columns, 64 + STEP * rows)
    (out,), _, _ = run(form, [block_of(form, *(np.rint(ramp) for ramp in ramps))], Scale(Fraction(3)), LUMA)
    y, u, v = (plane.astype(float) for plane in split_420(out))
    assert abs(shift(y[72], 5.3, 0.5)) < 0.04
    assert abs(shift(u[36], STEP, beside / 4)) < 0.04
    assert abs(shift(v[:, 48], STEP, below / 4)) < 0.04


STEP = 7.313
"""Levels from one sample to the next: a number that lets roundings cancel out."""


def shift(line: Plane, step: float, site: float) -> float:
    """Return by how many samples a line of three is off one of two, sampled at ``site`` of each sample's width."""
    there = (np.arange(len(line)) + site) * 2 / 3 - site
    return float((line - (64 + step * there))[20:-20].mean() / step)


@pytest.mark.slow(seconds=1)
def test_tiles_that_did_not_change_are_reused_in_the_second_pass_too() -> None:
    form = made(256, 192)
    rgb = pictures.astronaut()[:384]
    first = block_of(form, rgb[..., 1], rgb[::2, ::2, 0], rgb[::2, ::2, 2])
    changed = first.copy()
    changed[10:14, 10:14] ^= 9
    sequence = [first, first, changed, first]
    reused, stage, _ = run(form, sequence, Scale(Fraction(3)), replace(LUMA, reuse=True))
    computed, _, _ = run(form, sequence, Scale(Fraction(3)), replace(LUMA, reuse=False))
    assert all(np.array_equal(one, other) for one, other in zip(reused, computed, strict=True))
    report = stage.report()
    assert report is not None
    assert report.computed is not None
    assert report.computed < 0.8


@pytest.mark.parametrize("info", [replace(INFO, plain=True), replace(INFO, once=True)])
def test_without_time_for_it_a_filter_does_its_work_at_the_same_size(info: FrameInfo) -> None:
    form = made(64, 48)
    block = block_of(form, 20 + np.mgrid[:96, :128][1], 90, 150)
    (out,), _, target = run(form, [block], Scale(Fraction(3)), NEAREST, info)
    assert out.shape == target.planes[0].shape
    y, u, v = split_420(out)
    expected = 20 + (np.arange(192) + 0.5) * 2 / 3 - 0.5
    assert np.abs(y[72] - expected)[8:-8].max() <= 1
    assert [np.unique(plane).tolist() for plane in (u, v)] == [[90], [150]]


def test_pictures_keep_their_order_when_only_some_have_time_for_it() -> None:
    form = made(64, 48)
    stage = SecondPass(SecondPassSettings(infer=LUMA, size=Scale(Fraction(3))))
    buffers, order = HeapBuffers(stage.open(form)), []
    for number in range(6):
        info = replace(INFO, pts=number, once=number % 3 == 2)
        order += [f.info.pts for f in stage.process(Frame((block_of(form, 20 * number, 9, 9),), info), buffers)]
    order += [frame.info.pts for frame in stage.drain(buffers)]
    stage.close()
    assert order == list(range(6))


@pytest.mark.parametrize(("dtype", "unit"), [("uint8", 1), ("uint16", 257), ("float32", 1)])
def test_rgb_keeps_its_form_and_its_colours(dtype: str, unit: int) -> None:
    about = video_info(width=66, height=34, source_size=(33, 17))
    block = np.empty((34, 66, 3), dtype)
    block[:] = np.array([90, 150, 30]) * unit
    if dtype == "float32":
        block = np.ascontiguousarray(np.moveaxis(block, 2, 0))
    form = Format((PlaneSpec(block.shape, dtype),), about=about)
    settings = replace(NEAREST, pixels="bgr")
    (out,), _, target = run(form, [block], Scale(Fraction(3)), settings)
    assert (out.shape, out.dtype) == (target.planes[0].shape, dtype)
    seen = out if dtype != "float32" else np.moveaxis(out, 0, 2)
    assert seen.shape == (52, 100, 3)
    assert np.abs(seen / unit - [90, 150, 30]).max() < 0.6


def test_a_result_beyond_what_can_be_written_is_refused() -> None:
    stage = SecondPass(SecondPassSettings(infer=NEAREST, size=Scale(Fraction(16))))
    with pytest.raises(OptionError, match=r"'20480x11520' isn't supported: .* from 4 to 16384"):
        stage.open(made(1280, 720))
