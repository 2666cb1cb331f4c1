"""Preprocess, reconstruct and convert on frames made by hand."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from infos import video_info

from sr4k.engines.base import parted
from sr4k.media.planes import as_picture, inside, split_420
from sr4k.media.video import ColourTags, VideoInfo, colour_of
from sr4k.models.colour import Colour
from sr4k.models.geometry import CHROMA_PAD, MARGIN, PAD_AFTER, PAD_BEFORE, padded_chroma, padded_luma
from sr4k.pipeline import Format, Frame, FrameInfo, PlaneSpec
from sr4k.pipeline.chain import HeapBuffers
from sr4k.pipeline.frame import Plane
from sr4k.pipeline.stage import Transform
from sr4k.stages.convert import Convert
from sr4k.stages.infer import Infer
from sr4k.stages.preprocess import Preprocess
from sr4k.stages.reconstruct import Reconstruct
from sr4k.stages.settings import InferSettings, PreprocessSettings

INFO = FrameInfo(pts=5, time_base=Fraction(1, 25))


def about(width: int, height: int, colour: Colour | None = None) -> VideoInfo:
    return video_info(width=width, height=height, colour=colour or Colour())


def run(stage: Transform, info: VideoInfo, *planes: Plane) -> tuple[list[Plane], VideoInfo]:
    source = Format(tuple(PlaneSpec(p.shape, str(p.dtype)) for p in planes), about=info)
    target = stage.open(source)
    (out,) = stage.process(Frame(planes, INFO), HeapBuffers(target))
    assert out.info == INFO
    return list(out.planes), target.about


@pytest.mark.parametrize(("width", "height"), [(6, 4), (7, 5)])
def test_margins_repeat_the_picture_and_odd_sides_are_filled(width: int, height: int) -> None:
    rng = np.random.default_rng(0)
    even = (height + height % 2, width + width % 2)
    luma = rng.integers(0, 256, padded_luma(*even), dtype=np.uint8)
    chroma = rng.integers(0, 256, (2, *padded_chroma(*even)), dtype=np.uint8)
    picture = luma[PAD_BEFORE : PAD_BEFORE + height, PAD_BEFORE : PAD_BEFORE + width].copy()
    small = chroma[:, CHROMA_PAD:-CHROMA_PAD, CHROMA_PAD:-CHROMA_PAD].copy()
    (y, uv), _ = run(Preprocess(PreprocessSettings()), about(width, height), luma, chroma)
    after = (PAD_AFTER + height % 2, PAD_AFTER + width % 2)
    assert np.array_equal(y, np.pad(picture, ((PAD_BEFORE, after[0]), (PAD_BEFORE, after[1])), mode="edge"))
    assert np.array_equal(uv, np.pad(small, ((0, 0), (CHROMA_PAD, CHROMA_PAD), (CHROMA_PAD, CHROMA_PAD)), mode="edge"))


@pytest.mark.parametrize(("width", "height"), [(6, 4), (7, 4), (6, 5), (7, 5)])
def test_reconstruction_puts_every_subpixel_in_its_place(width: int, height: int) -> None:
    rows, columns = -(-height // 2), -(-width // 2)
    cells = np.zeros((rows + 2 * MARGIN, columns + 2 * MARGIN, 24), np.uint8)
    r, c = np.mgrid[: cells.shape[0], : cells.shape[1]]
    for k in range(24):
        cells[..., k] = (r * 31 + c * 7 + k * 3) % 251
    (block,), info = run(Reconstruct(), about(width, height), *parted(cells))
    assert (info.width, info.height) == (2 * width, 2 * height)
    y, u, v = split_420(block)
    for row, column in np.ndindex(y.shape):
        assert y[row, column] == cells[MARGIN + row // 4, MARGIN + column // 4, row % 4 * 4 + column % 4]
    for row, column in np.ndindex(u.shape):
        place = MARGIN + row // 2, MARGIN + column // 2, row % 2 * 2 + column % 2
        assert u[row, column] == cells[place[0], place[1], 16 + place[2]]
        assert v[row, column] == cells[place[0], place[1], 20 + place[2]]


@pytest.mark.parametrize("colour", [Colour(), Colour("bt601", True, "center"), Colour("bt2020", False, "topleft")])
def test_a_flat_colour_survives_the_way_through_rgb(colour: Colour) -> None:
    luma, chroma = np.full(padded_luma(4, 6), 100, np.uint8), np.full((2, *padded_chroma(4, 6)), 90, np.uint8)
    chroma[1] = 150
    (rgb,), _ = run(Preprocess(PreprocessSettings(pixels="bgr")), about(6, 4, colour), luma, chroma)
    assert rgb.shape == (3, *padded_luma(4, 6))
    cells = np.repeat(rgb[:, 0, 0], 16)[None, None] * np.ones((2 + 2 * MARGIN, 3 + 2 * MARGIN, 1), np.float32)
    (picture,), info = run(Reconstruct(), about(6, 4, colour), cells)
    (block,), _ = run(Convert(), info, picture)
    y, u, v = split_420(block)
    assert (y == 100).all()
    assert (u == 90).all()
    assert (v == 150).all()


def test_convert_leaves_planes_alone() -> None:
    stage, block = Convert(), np.zeros((6, 4), np.uint8)
    (out,), _ = run(stage, about(4, 4), block)
    assert stage.in_place
    assert out is block


@pytest.mark.parametrize("height", [8, 6, 10])
def test_a_block_becomes_a_libav_picture(height: int) -> None:
    block = np.random.default_rng(0).integers(0, 256, (height * 3 // 2, 16), dtype=np.uint8)
    picture = as_picture(block)
    assert (picture.width, picture.height) == (16, height)
    y, u, v = (np.frombuffer(memoryview(p), np.uint8).reshape(-1, p.line_size)[:, : p.width] for p in picture.planes)
    for plane, expected in zip((y, u, v), split_420(block), strict=True):
        assert np.array_equal(plane, expected)


@pytest.mark.parametrize(
    ("colorspace", "color_range", "height", "codec", "expected"),
    [
        (1, 1, 240, "h264", Colour("bt709")),
        (6, 1, 1080, "h264", Colour("bt601")),
        (9, 0, 240, "hevc", Colour("bt2020")),
        (2, 0, 720, "h264", Colour("bt709")),
        (2, 0, 719, "h264", Colour("bt601")),
        (2, 2, 480, "mjpeg", Colour("bt601", full_range=True, chroma_location="center")),
    ],
)
def test_tags_decide_and_size_fills_the_gap(
    colorspace: int, color_range: int, height: int, codec: str, expected: Colour
) -> None:
    assert colour_of(ColourTags(colorspace, color_range, 2, 2), height=height, codec=codec) == expected


@pytest.mark.parametrize(("width", "height"), [(16, 12), (17, 11)])
def test_a_plain_frame_passes_the_network_and_is_enlarged(width: int, height: int) -> None:
    even = (height + height % 2, width + width % 2)
    luma = np.full(padded_luma(*even), 7, np.uint8)
    chroma = np.full((2, *padded_chroma(*even)), 9, np.uint8)
    y, u, v = inside(luma, chroma, (width, height))
    y[:], u[:], v[:] = 100, 110, 120
    plain, info = replace(INFO, plain=True), about(width, height)
    source = Format((PlaneSpec(luma.shape), PlaneSpec(chroma.shape)), about=info)
    (frame,) = Preprocess(PreprocessSettings()).process(Frame((luma, chroma), plain), HeapBuffers(source))
    infer = Infer(InferSettings(engine="nearest", model="luma", prompt=True))
    cells = infer.open(source)
    (frame,) = infer.process(frame, HeapBuffers(cells))
    reconstruct = Reconstruct()
    target = reconstruct.open(cells)
    (out,) = reconstruct.process(frame, HeapBuffers(target))
    infer.close()
    assert [np.unique(plane).tolist() for plane in split_420(out.planes[0])] == [[100], [110], [120]]
